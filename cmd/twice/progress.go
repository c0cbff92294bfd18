package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/fetch"
	"github.com/craton-co/twice/internal/store"
	"golang.org/x/term"
)

// progress tells on standard error what a run is doing. On a terminal it is
// one line, which goes away; in a log each step is a line when it ends.
type progress struct {
	mu      sync.Mutex
	w       io.Writer
	tty     bool
	quiet   bool
	step    string
	started time.Time
	shown   time.Time
	paused  bool // the builds have the screen
	mode    displayMode
}

// displayMode is how builds are shown: an engine.Mode.
type displayMode string

const (
	modeTerminal displayMode = "terminal"
	modePlain    displayMode = "plain"
	modeLines    displayMode = "lines"
	modeQuiet    displayMode = "quiet"
)

func (g *global) newProgress() (*progress, error) {
	p := &progress{w: os.Stderr, tty: term.IsTerminal(int(os.Stderr.Fd())), quiet: g.quiet}
	switch g.progress {
	case "auto":
		p.mode = modeLines
		if p.tty {
			p.mode = modeTerminal
		}
		if g.quiet {
			p.mode = modeQuiet
		}
	case "tty":
		p.mode = modeTerminal
	case "plain":
		p.mode = modePlain
	case "lines":
		p.mode = modeLines
	case "none":
		p.mode, p.quiet = modeQuiet, true
	default:
		return nil, fault.Hint(fmt.Errorf("no progress display is called %q", g.progress), "auto, tty, plain, lines or none")
	}
	return p, nil
}

// Start implements verify.Progress.
func (p *progress) Start(step string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.step, p.started = step, time.Now()
	p.line(fmt.Sprintf("%-9s …", step))
}

// Done implements verify.Progress.
func (p *progress) Done(step, result string, took time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.quiet {
		return
	}
	if p.tty {
		p.clear()
		return
	}
	fmt.Fprintf(p.w, "%-9s %s (%.1f s)\n", step, result, took.Seconds())
}

// fetched shows how far the fetch is.
func (p *progress) fetched(e fetch.Event) {
	if e.Kind == fetch.Trouble && e.Err != nil {
		var wrong *store.MismatchError
		if errors.As(e.Err, &wrong) {
			p.message("warning: %s", oneLine(e.Err.Error()))
		}
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Since(p.shown) < 100*time.Millisecond {
		return
	}
	p.shown = time.Now()
	p.line(fmt.Sprintf("%-9s fetched %d of %d, %.1f MB, %.0f s", p.step, e.Totals.Done, e.Totals.Items, float64(e.Totals.Bytes)/1e6, time.Since(p.started).Seconds()))
}

// say prints a line of a step that took no time, and stays.
func (p *progress) say(step, text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.quiet {
		return
	}
	p.clear()
	fmt.Fprintf(p.w, "%-9s %s\n", step, text)
}

// message prints a line that stays.
func (p *progress) message(format string, a ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.quiet {
		return
	}
	p.clear()
	fmt.Fprintf(p.w, "twice: "+format+"\n", a...)
}

// pause leaves the screen to the builds' own display.
func (p *progress) pause(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
	p.paused = on
}

// redraw shows the running step again, after the builds' display has gone.
func (p *progress) redraw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.line(fmt.Sprintf("%-9s …", p.step))
}

func (p *progress) line(s string) {
	if p.tty && !p.quiet && !p.paused {
		fmt.Fprintf(p.w, "\r\x1b[K%s", s)
	}
}

func (p *progress) clear() {
	if p.tty && !p.quiet && !p.paused {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}
