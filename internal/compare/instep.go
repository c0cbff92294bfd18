package compare

import (
	"bytes"
	"errors"
	"io"

	"github.com/craton-co/twice/internal/inflate"
)

// inStep compares two compressed tars whose entries have the same names in the same
// order: in one pass, as they come, decompressing what is the same in both once, and what
// comes after the last difference not at all. Any error says that the general way has to be gone.
//
// What is decompressed in vain doesn't count: the general way may do it again.
func (c *run) inStep(f *Finding, path string, a, b blob, depth int) (err error) {
	pair, err := inflate.NewPair(inflate.Blob{ReaderAt: a.r, Size: a.size}, inflate.Blob{ReaderAt: b.r, Size: b.size})
	if err != nil {
		return err
	}
	s := &stepper{c: c, f: f, path: path, depth: depth, pair: pair, seen: map[string]int{}}
	defer func() {
		s.close()
		if err != nil {
			c.giveBack(s.spent)
		}
	}()
	s.a.walker = newWalker(s.keep)
	for {
		if len(f.Parts) > 0 && s.ended() {
			break // what follows the end of a tar isn't compared
		}
		// Of two streams whose headers alone differ, the first entry shows that they are tars.
		if !s.apart && s.a.opened > 0 && pair.RestIsSame() {
			if err := pair.CheckRest(); err != nil {
				return err
			}
			break
		}
		part, err := pair.Next()
		if err == io.EOF {
			if !s.a.complete() || s.apart && !s.b.complete() || len(s.a.done)+len(s.b.done) > 0 {
				return errNotInStep
			}
			break
		}
		if err != nil {
			return err
		}
		if err := s.spend(part); err != nil {
			return err
		}
		if part.Same {
			err = s.same(part.A)
		} else {
			err = s.different(part.A, part.B)
		}
		if err != nil {
			return err
		}
	}
	switch {
	case len(f.Parts) > 0:
		return nil
	case s.changed || len(s.restA)+len(s.restB) > 0 || s.a.opened == 0:
		return errNotInStep // the difference is in no entry
	}
	f.noteFraming()
	return nil
}

// stepper is the state of two archives that are read in step.
type stepper struct {
	c     *run
	f     *Finding
	path  string
	depth int
	pair  *inflate.Pair
	seen  map[string]int // names so far
	spent int64          // of the run's limit

	a, b    stepSide
	apart   bool  // b has a state of its own
	asked   bool  // whether it is A's since something was different: no
	differs *item // the open entry of A, if its content differs already
	ahead   int64 // bytes of entries that one side has and the other has yet to

	// Whether the uncompressed bytes ever differed, and what only one of them
	// has yet of those that come.
	changed      bool
	restA, restB []byte
}

type stepSide struct {
	*walker
	done []*item // complete, and not yet compared with the other side's
}

const (
	// maxAhead is how many bytes one side may be ahead: they are kept.
	maxAhead = 64 << 20
	// maxApart is the size of an entry that is kept on both sides, be it the same or not,
	// because the compressed bytes don't come together again.
	maxApart = 1 << 30
	// maxRest is how far the uncompressed bytes may go apart before one of them counts as at
	// its end. A step is a part of this.
	maxRest = 1 << 20
)

// spend counts what was decompressed, and looks at what is held of it.
func (s *stepper) spend(p inflate.Part) error {
	n := len(p.A)
	if !p.Same {
		n += len(p.B)
	}
	s.spent += int64(n)
	if err := s.c.spend(n); err != nil {
		return err
	}
	for _, side := range []*stepSide{&s.a, &s.b} {
		if w := side.walker; w != nil && (w.opened > s.c.lim.Entries || w.names > maxNameBytes) {
			return errNotInStep
		}
	}
	return nil
}

// ended says whether both tars are at their end, with nothing left to compare.
func (s *stepper) ended() bool {
	return s.a.ended && (!s.apart || s.b.ended) && len(s.a.done)+len(s.b.done) == 0
}

// keep says where an entry's content goes: nowhere, if all of it comes before the next
// difference. Compressed it is hardly longer than it is; where it is (empty blocks may be
// everywhere), that shows when it is missing.
func (s *stepper) keep(size int64) (*kept, error) {
	if size == 0 || !s.apart && s.pair.SameFor() > size+size/64+(64<<10) {
		return nil, nil
	}
	if s.apart && size > maxApart {
		return nil, errNotInStep // the general way keeps what differs
	}
	return &kept{}, nil
}

func (s *stepper) close() {
	for _, side := range []*stepSide{&s.a, &s.b} {
		if side.walker != nil {
			side.open.close()
		}
		for _, m := range side.done {
			m.close()
		}
	}
}

// same takes what both sides have.
func (s *stepper) same(p []byte) error {
	if len(s.restA)+len(s.restB) > 0 {
		s.changed = true // the lengths differ so far
	}
	for s.apart && len(p) > 0 {
		if !s.asked {
			together, err := s.together()
			if err != nil {
				return err
			}
			if together {
				s.b.open.close()
				s.apart = false
				break
			}
			s.asked = true
		}
		n, m, complete, err := s.feed(p, p)
		if err != nil {
			return err
		}
		if n != m {
			return errNotInStep
		}
		p = p[n:]
		s.asked = !complete
	}
	for len(p) > 0 {
		n, x, err := s.a.feed(p)
		if err != nil {
			return err
		}
		if x != nil {
			s.seen[x.name]++
			x.close()
		}
		p = p[n:]
	}
	return nil
}

// together says whether A's state stands for B's again.
func (s *stepper) together() (bool, error) {
	if len(s.a.done)+len(s.b.done) > 0 || !s.a.inState(s.b.walker) {
		return false, nil
	}
	if s.a.open == nil {
		return true, nil
	}
	// An open entry that differs does so to its end.
	if s.differs == s.a.open {
		return false, nil
	}
	same, err := s.c.equal(s.a.open.content.blob(), s.b.open.content.blob())
	if !same {
		s.differs = s.a.open
	}
	return same, err
}

// feed gives both sides what they have, until an entry of one of them is complete.
func (s *stepper) feed(a, b []byte) (n, m int, complete bool, err error) {
	n, x, errA := s.a.feed(a)
	m, y, errB := s.b.feed(b)
	if err := errors.Join(errA, errB); err != nil {
		x.close()
		y.close()
		return 0, 0, false, err
	}
	return n, m, x != nil, s.completed(x, y)
}

// different takes what each side has.
func (s *stepper) different(a, b []byte) error {
	s.content(a, b)
	s.asked = false
	if !s.apart {
		if err := s.part(); err != nil {
			return err
		}
	}
	for len(a) > 0 || len(b) > 0 {
		n, m, _, err := s.feed(a, b)
		if err != nil {
			return err
		}
		a, b = a[n:], b[m:]
	}
	return nil
}

// part gives B a state of its own: a copy of what A's is. What they share of an open
// entry's content stays with A.
func (s *stepper) part() error {
	w := *s.a.walker
	w.raw = bytes.Clone(w.raw)
	if w.open != nil {
		m := *w.open
		if m.content == nil && m.size > 0 {
			return errNotInStep
		}
		m.content = m.content.fork()
		w.open = &m
	}
	s.b = stepSide{walker: &w}
	s.apart = true
	return nil
}

// content compares the uncompressed bytes, so that it is known whether only the compression
// differs.
func (s *stepper) content(a, b []byte) {
	if s.changed {
		return
	}
	s.restA, s.restB = append(s.restA, a...), append(s.restB, b...)
	n := min(len(s.restA), len(s.restB))
	s.changed = !bytes.Equal(s.restA[:n], s.restB[:n])
	s.restA, s.restB = append(s.restA[:0], s.restA[n:]...), append(s.restB[:0], s.restB[n:]...)
	if len(s.restA)+len(s.restB) > maxRest {
		s.changed = true
	}
	if s.changed {
		s.restA, s.restB = nil, nil
	}
}

// completed compares entries that both sides have now.
func (s *stepper) completed(x, y *item) error {
	if x != nil {
		s.a.done = append(s.a.done, x)
		s.ahead += x.size + tarBlock
	}
	if y != nil {
		s.b.done = append(s.b.done, y)
		s.ahead += y.size + tarBlock
	}
	for len(s.a.done) > 0 && len(s.b.done) > 0 {
		if err := s.compare(s.a.done[0], s.b.done[0]); err != nil {
			return err
		}
		for _, side := range []*stepSide{&s.a, &s.b} {
			m := side.done[0]
			m.close()
			s.ahead -= m.size + tarBlock
			side.done = side.done[1:]
		}
	}
	if s.ahead > maxAhead {
		return errNotInStep
	}
	return nil
}

func (s *stepper) compare(x, y *item) error {
	if x.name != y.name {
		return errNotInStep
	}
	k := key{x.name, s.seen[x.name]}
	s.seen[x.name]++
	fields := x.meta.diff(y.meta)
	a, b := x.content.blob(), y.content.blob()
	same, err := s.c.equal(a, b)
	if err != nil || same && len(fields) == 0 {
		return err
	}
	if len(s.f.Parts) >= s.c.lim.Findings {
		s.f.More++
		return nil
	}
	p := differing(k, s.path, x.size, y.size, fields)
	if !same {
		p.Ranges = nil
		if p, err = s.c.inside(p, s.path, a, b, s.depth); err != nil {
			return err
		}
	}
	s.f.Parts = append(s.f.Parts, p)
	return nil
}
