package main

import (
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// relay NAME ADDRESS is a way to an engine that can be cut: a port of this machine
// that passes on what it hears to the engine and back, with or without TLS. $NAME is its
// address. While there is a file NAME.cut it closes every connection, and the engine
// goes on: a cable that was pulled, or a proxy that was started anew.
func cmdRelay(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: relay NAME ADDRESS")
	}
	to, err := url.Parse(args[1])
	ts.Check(err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	r := &relay{network: to.Scheme, to: to.Host, file: ts.MkAbs(args[0] + ".cut"), conns: map[net.Conn]bool{}, done: make(chan struct{})}
	if to.Scheme == "unix" {
		r.to = to.Path
	}
	here := url.URL{Scheme: "tcp", Host: l.Addr().String()}
	if to.Scheme == "tcp" {
		q := to.Query()
		q.Set("servername", to.Hostname())
		here.RawQuery = q.Encode()
	}
	ts.Setenv(strings.ToUpper(args[0]), here.String())
	go r.serve(l)
	go r.watch()
	ts.Defer(func() {
		_ = l.Close()
		close(r.done)
	})
}

type relay struct {
	network, to, file string
	done              chan struct{}

	mu    sync.Mutex
	conns map[net.Conn]bool
}

func (r *relay) isCut() bool {
	_, err := os.Stat(r.file)
	return err == nil
}

// watch closes the connections that there are.
func (r *relay) watch() {
	for {
		select {
		case <-r.done:
			return
		case <-time.After(20 * time.Millisecond):
		}
		if !r.isCut() {
			continue
		}
		r.mu.Lock()
		for c := range r.conns {
			_ = c.Close()
		}
		r.mu.Unlock()
	}
}

func (r *relay) serve(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		if r.isCut() {
			_ = c.Close()
			continue
		}
		go r.pass(c)
	}
}

func (r *relay) pass(c net.Conn) {
	defer c.Close()
	e, err := net.Dial(r.network, r.to)
	if err != nil {
		return
	}
	defer e.Close()
	r.mu.Lock()
	r.conns[c] = true
	r.mu.Unlock()
	go func() {
		_, _ = io.Copy(e, c)
		_ = e.Close()
	}()
	_, _ = io.Copy(c, e)
	r.mu.Lock()
	delete(r.conns, c)
	r.mu.Unlock()
}
