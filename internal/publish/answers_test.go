package publish

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/craton-co/twice/internal/fault"
)

// badAnswers are what registries give at bad moments.
var badAnswers = map[string]http.HandlerFunc{
	"429": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "0")
		w.WriteHeader(http.StatusTooManyRequests)
	},
	"500":     func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
	"403":     func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) },
	"garbage": func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>Please log in</html>") },
	"half": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "50")
		io.WriteString(w, "half")
	},
	"nothing": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	"silence": func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // a server hears of a client's end when it has read all
		<-r.Context().Done()
	},
	// It says that it has everything, and keeps nothing.
	"yes": func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", r.URL.Path)
		switch r.Method {
		case http.MethodPost:
			w.WriteHeader(http.StatusAccepted)
		case http.MethodPut, http.MethodPatch:
			w.WriteHeader(http.StatusCreated)
		}
	},
}

// Whatever a registry answers, from whichever request on: an error, or all is
// there; no tag on half of it; and when the registry is well, it is completed.
func TestBadAnswers(t *testing.T) {
	both(t, func(t *testing.T, start func(func(http.ResponseWriter, *http.Request) bool) string) {
		for name, answer := range badAnswers {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				badAnswer(t, name, answer, start)
			})
		}
	})
}

func badAnswer(t *testing.T, name string, answer http.HandlerFunc, start func(func(http.ResponseWriter, *http.Request) bool) string) {
	st, _, e := released(t)
	signer := keyed(t)
	failed := 0
	for _, from := range []int{1, 4, 9, 16, 25} {
		var mu sync.Mutex
		count, well := 0, false
		host := start(func(w http.ResponseWriter, r *http.Request) bool {
			mu.Lock()
			count++
			bad := !well && count >= from
			mu.Unlock()
			if bad {
				answer(w, r)
			}
			return !bad
		})
		at := fmt.Sprintf("%s from request %d on", name, from)
		to := parse(t, host+"/team/tool:1.2.3")
		pushes, err := Pushes(e.Verdict, to, "")
		if err != nil {
			t.Fatal(err)
		}
		limit := 20 * time.Second
		if name == "silence" {
			limit = 300 * time.Millisecond
		}
		ctx, stop := context.WithTimeout(t.Context(), limit)
		_, err = Complete(ctx, st, pushes, e, How{Signer: signer}, Options{})
		stop()
		mu.Lock()
		well = true
		mu.Unlock()
		switch problem := whole(t, to, signer); {
		case err == nil && problem != "":
			t.Errorf("%s: it says that all is published, but %s", at, problem)
		case problem != "" && !strings.HasPrefix(problem, "no tag"):
			t.Errorf("%s: the tag is there, but %s", at, problem)
		}
		if err != nil {
			failed++
			if text := err.Error(); strings.Contains(text, "\n") || name == "403" && fault.HintOf(err) == "" {
				t.Errorf("%s: %q, hint %q", at, text, fault.HintOf(err))
			}
		}
		complete(t, st, e, How{Signer: signer}, to)
	}
	if failed == 0 {
		t.Errorf("%s: nothing failed: no answer was bad", name)
	}
}
