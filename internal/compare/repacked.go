package compare

// repacked compares streams of two formats: gzip and Zstandard.
func (c *run) repacked(f *Finding, path string, a, b blob, depth int) error {
	sa, ka, err := unpacked(a)
	if err != nil {
		return err
	}
	sb, kb, err := unpacked(b)
	if err != nil {
		return err
	}
	f.Fields = differ(nil, "format", ka, kb)
	return c.compressed(f, path, sa, sb, depth)
}

func unpacked(b blob) (source, Kind, error) {
	k, err := sniff(b)
	if k == Gzip {
		return b.gunzip(), k, err
	}
	return b.unzstd(), k, err
}
