package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// describeMachine says in one line what the numbers were measured on.
func describeMachine() string {
	cpu := field("/proc/cpuinfo", "model name")
	if cpu == "" {
		cpu = runtime.GOARCH
	}
	kb, _ := strconv.ParseFloat(strings.TrimSuffix(field("/proc/meminfo", "MemTotal"), " kB"), 64)
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	return fmt.Sprintf("%d cores of %s, %.0f GiB of memory, Linux %s, %s",
		runtime.NumCPU(), cpu, kb/(1<<20), strings.TrimSpace(string(kernel)), runtime.Version())
}

// field returns the first value of a name in a file of "name : value" lines.
func field(file, name string) string {
	data, _ := os.ReadFile(file)
	for line := range strings.Lines(string(data)) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == name {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// load is what the machine does while bench itself does nothing.
type load struct {
	average float64 // of the last minute; that of a row before counts
	cores   float64 // busy during one second
}

func readLoad(ctx context.Context) load {
	settle(ctx)
	before := busy()
	began := time.Now()
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
	}
	l := load{cores: (busy() - before) / time.Since(began).Seconds()}
	data, _ := os.ReadFile("/proc/loadavg")
	first, _, _ := strings.Cut(string(data), " ")
	l.average, _ = strconv.ParseFloat(first, 64)
	return l
}

// busy returns the seconds of processor time that the machine has spent, time
// stolen by its host included.
func busy() float64 {
	data, _ := os.ReadFile("/proc/stat")
	first, _, _ := strings.Cut(string(data), "\n")
	var sum float64
	for i, f := range strings.Fields(first) {
		if i == 0 || i == 4 || i == 5 || i > 8 { // name, idle, iowait; guests are in user
			continue
		}
		ticks, _ := strconv.ParseFloat(f, 64)
		sum += ticks / 100
	}
	return sum
}

// warn prints the load and says so when the machine has other work. The
// average counts only before the first row: later it is the row before.
func (t *table) warn(w io.Writer, l load, first bool) {
	fmt.Fprintf(w, "\nload average %.2f, %.2f cores busy\n", l.average, l.cores)
	t.Others = max(t.Others, l.cores)
	if first {
		t.Average = l.average
	}
	if l.cores > 0.25 || first && l.average > 1 {
		fmt.Fprintf(w, "bench: warning: the machine has other work, and these numbers will show it\n")
	}
}
