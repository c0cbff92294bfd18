package spool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestContentsComeBack(t *testing.T) {
	dir := t.TempDir()
	s, err := New(dir)
	if err != nil {
		t.Fatal(err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("the spool has a name: %v", left)
	}
	sizes := []int{0, 1, small - 1, small, small + 1, 3*small + 7}
	opens := make([]func() (io.ReadCloser, error), 8*len(sizes))
	var wg sync.WaitGroup
	for i := range opens {
		wg.Go(func() {
			size := sizes[i%len(sizes)]
			data := strings.Repeat(string(rune('a'+i%26)), size) + "beyond"
			var err error
			if opens[i], err = s.Put(context.Background(), strings.NewReader(data), int64(size)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for i, open := range opens {
		size := sizes[i%len(sizes)]
		for range 2 {
			r, err := open()
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(r)
			if want := bytes.Repeat([]byte{byte('a' + i%26)}, size); err != nil || !bytes.Equal(got, want) {
				t.Errorf("content %d: %d bytes, %v", i, len(got), err)
			}
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	r, _ := opens[1]()
	if _, err := io.ReadAll(r); err == nil {
		t.Error("a content can be read after Close")
	}
}

func TestShortContentIsAnError(t *testing.T) {
	s, err := New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, have := range []int{0, 5} {
		if _, err := s.Put(context.Background(), strings.NewReader(strings.Repeat("x", have)), 6); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%d of 6 bytes: error %v", have, err)
		}
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	why := errors.New("stop")
	cancel(why)
	if _, err := s.Put(ctx, strings.NewReader("x"), 1); !errors.Is(err, why) {
		t.Errorf("after cancel: error %v", err)
	}
}

func TestDirectoryThatIsNotThere(t *testing.T) {
	s, err := New(filepath.Join(t.TempDir(), "no", "such"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Put(context.Background(), strings.NewReader("x"), 1); err != nil {
		t.Error(err)
	}
	if s.Size() != 1 {
		t.Error(fmt.Sprint(s.Size()))
	}
}
