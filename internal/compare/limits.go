package compare

// Limits bound what hostile input can cost. The zero value of a field means
// its default.
type Limits struct {
	Depth    int   // containers in containers; default 8
	Expand   int64 // bytes decompressed, of holes or spooled, in all; default 32 GiB, of two files as ratio says
	Entries  int   // parts of one container; default 400000
	Findings int   // parts reported of one container; default 20
	Ranges   int   // ranges reported of one part; default 8
}

func (l Limits) withDefaults() Limits {
	if l.Depth == 0 {
		l.Depth = 8
	}
	if l.Expand == 0 {
		l.Expand = 32 << 30
	}
	if l.Entries == 0 {
		l.Entries = 400_000
	}
	if l.Findings == 0 {
		l.Findings = 20
	}
	if l.Ranges == 0 {
		l.Ranges = 8
	}
	return l
}

// Two files may expand to ratio times their size by default, and always to
// leastExpand: what compilers and archivers write is far below that, what is
// made to fill a disk above.
const (
	ratio       = 100
	leastExpand = 2 << 30
)

// of is the limits for two files of a size.
func (l Limits) of(size int64) Limits {
	if l.Expand == 0 {
		l.Expand = min(l.withDefaults().Expand, max(leastExpand, size*ratio))
	}
	return l
}

const (
	maxText      = 8 << 20   // a longer text or JSON document is compared as bytes
	maxManifest  = 4 << 20   // OCI's own recommendation for a manifest
	maxSymtab    = 24 << 20  // a longer symbol table is not searched: a million symbols
	maxStrtab    = 64 << 20  // likewise, for the names
	maxNameBytes = 256 << 20 // names of one archive's entries
	maxInMemory  = 4 << 20   // spooled parts above this go to a file
	maxLZ4       = 64 << 20  // an LZ4 block and its content are held in memory
	maxDebug     = 96 << 20  // debug information above this is compared by section only
)
