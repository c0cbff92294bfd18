//go:build !race

package normalize

const (
	memoryTestSize  = 1 << 30
	memoryTestLimit = 100_000 // kB
)
