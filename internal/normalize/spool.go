package normalize

import "os"

// A spool is a temporary file that is written once and then read anywhere. On
// Unix it has no name.
type spool struct {
	f    *os.File
	size int64
}

func newSpool(dir string) (*spool, error) {
	f, err := os.CreateTemp(dir, "spool-")
	if err != nil {
		return nil, err
	}
	// Where an open file can't be removed, it goes with its directory.
	_ = os.Remove(f.Name())
	return &spool{f: f}, nil
}

func (s *spool) Write(p []byte) (int, error) {
	n, err := s.f.Write(p)
	s.size += int64(n)
	return n, err
}

func (s *spool) ReadAt(p []byte, off int64) (int, error) { return s.f.ReadAt(p, off) }

func (s *spool) Close() error { return s.f.Close() }
