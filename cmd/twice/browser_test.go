package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	cdpruntime "github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/rogpeppe/go-internal/testscript"
)

// browsers is what reports are looked at with: Debian's Chromium, without a
// screen.
const browsers = `
name         = "browsers"
description  = "a browser without a screen"
suite        = "bookworm"
component    = "main"
architecture = "amd64"
essential    = true
packages     = ["chromium-headless-shell", "fonts-dejavu-core", "usr-is-merged"]
without      = ["debconf", "debconf-2.0"]
drop         = ["usr/share/doc", "usr/share/man", "usr/share/locale"]
database     = "none"
compression  = "zstd"

[config]
`

// browser starts Chromium in its root, with the script's directory as /script,
// and returns the address at which it takes commands. It ends with the script.
func browser(ts *testscript.TestScript) string {
	cmd := composedRoot(ts, browsers, "chromium-headless-shell", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
		"--remote-debugging-port=0", "--user-data-dir=/tmp/profile", "about:blank")
	stderr, err := cmd.StderrPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	ts.Defer(func() {
		_ = cmd.Process.Kill() // unshare ignores SIGTERM; its child dies with it
		_ = cmd.Wait()
	})
	found := make(chan string, 1)
	go func() {
		var seen strings.Builder
		at := regexp.MustCompile(`DevTools listening on (ws://\S+)`)
		for s := bufio.NewScanner(stderr); s.Scan(); {
			if m := at.FindStringSubmatch(s.Text()); m != nil {
				found <- m[1]
			}
			fmt.Fprintln(&seen, s.Text())
		}
		found <- "it ended: " + seen.String()
	}()
	select {
	case at := <-found:
		if !strings.HasPrefix(at, "ws://") {
			ts.Fatalf("no browser: %s", at)
		}
		return at
	case <-time.After(2 * time.Minute):
		ts.Fatalf("the browser does not answer")
	}
	return ""
}

// looks are the screens on which a page is looked at.
var looks = []struct {
	name          string
	width, height int64
	dark          bool
}{{"light", 1280, 800, false}, {"dark", 1280, 800, true}, {"tablet", 768, 1024, false}, {"phone", 360, 740, false}}

// browse FILE … opens pages in a browser, on every screen, and fails where one
// asks for anything but itself, complains, is wider than the screen, can't be
// read, or has its verdict not on the first screen. Pictures are in browsed/.
func cmdBrowse(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) == 0 {
		ts.Fatalf("usage: browse FILE …")
	}
	at := browser(ts)
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	ctx, cancel = chromedp.NewRemoteAllocator(ctx, at, chromedp.NoModifyURL)
	defer cancel()
	ts.Check(os.MkdirAll(ts.MkAbs("browsed"), 0o777))
	for _, file := range args {
		for _, l := range looks {
			page := "file:///script/" + filepath.ToSlash(file)
			shot := filepath.Join(ts.MkAbs("browsed"), strings.ReplaceAll(filepath.Dir(file), "/", "-")+"-"+l.name+".png")
			switch err := look(ctx, page, l.width, l.height, l.dark, shot); {
			case err != nil && !neg:
				ts.Fatalf("%s, %s: %v", file, l.name, err)
			case err == nil && neg:
				ts.Fatalf("%s, %s: nothing is wrong with it", file, l.name)
			case neg:
				ts.Logf("%s, %s: %v", file, l.name, err)
			}
		}
	}
}

// seen is what the page says of itself.
type seen struct {
	Wide       []string  // elements that reach over the edge, or are squeezed by it
	Title      string    // of the document
	Bottom     float64   // of the sentence below the verdict
	Text, Back []float64 // colours of the body
	Scripts    int
}

const inspect = `(() => {
	const edge = document.documentElement.clientWidth;
	const open = [...document.querySelectorAll("details")].filter(d => !d.open);
	const bottom = document.querySelector(".lead").getBoundingClientRect().bottom;
	open.forEach(d => d.open = true);
	const wide = [...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > edge + 0.5 && !e.closest("pre"))
		.map(e => e.outerHTML.slice(0, 120));
	document.querySelectorAll(".name").forEach(e => { if (e.clientWidth < 120) wide.push("squeezed: " + e.textContent) });
	if (document.documentElement.scrollWidth > edge) wide.push("the page: " + document.documentElement.scrollWidth);
	open.forEach(d => d.open = false);
	const color = name => getComputedStyle(document.body)[name].match(/[0-9.]+/g).map(Number);
	return {Wide: wide, Title: document.title, Bottom: bottom, Text: color("color"), Back: color("backgroundColor"), Scripts: document.scripts.length};
})()`

func look(ctx context.Context, page string, width, height int64, dark bool, shot string) error {
	ctx, cancel := chromedp.NewContext(ctx)
	defer cancel()
	var (
		mu       sync.Mutex
		troubles []string
	)
	trouble := func(format string, a ...any) {
		mu.Lock()
		defer mu.Unlock()
		troubles = append(troubles, fmt.Sprintf(format, a...))
	}
	chromedp.ListenTarget(ctx, func(ev any) {
		switch e := ev.(type) {
		case *network.EventRequestWillBeSent:
			if e.Request.URL != page {
				trouble("it asks for %s", e.Request.URL)
			}
		case *cdplog.EventEntryAdded:
			trouble("the browser says: %s", e.Entry.Text)
		case *cdpruntime.EventConsoleAPICalled, *cdpruntime.EventExceptionThrown:
			trouble("a script runs: %v", e)
		}
	})
	scheme := map[bool]string{false: "light", true: "dark"}[dark]
	var (
		s   seen
		png []byte
	)
	err := chromedp.Run(ctx, network.Enable(), cdplog.Enable(),
		emulation.SetDeviceMetricsOverride(width, height, 1, width < 800),
		emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}),
		chromedp.Navigate(page), chromedp.Evaluate(inspect, &s), chromedp.CaptureScreenshot(&png))
	if err != nil {
		return err
	}
	if err := os.WriteFile(shot, png, 0o666); err != nil {
		return err
	}
	for _, w := range s.Wide {
		trouble("wider than the screen, or squeezed: %s", w)
	}
	if s.Title == "" || s.Scripts > 0 {
		trouble("title %q, %d scripts", s.Title, s.Scripts)
	}
	if s.Bottom > float64(height) {
		trouble("the verdict ends at %.0f, below the first screen", s.Bottom)
	}
	if text, back := s.Text[0], s.Back[0]; dark && (back > 60 || text < 190) || !dark && (back < 200 || text > 80) {
		trouble("in %s, the text is %v on %v", scheme, s.Text, s.Back)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(troubles) > 0 {
		return fmt.Errorf("%s", strings.Join(troubles, "\n"))
	}
	return nil
}
