//go:build race

package normalize

// The race detector needs several times the memory and time.
const (
	memoryTestSize  = 128 << 20
	memoryTestLimit = 500_000
)
