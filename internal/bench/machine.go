package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// describeMachine says in one line what the numbers were measured on.
func describeMachine() string {
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	return fmt.Sprintf("%d cores of %s, %.0f GiB of memory, Linux %s, %s", runtime.NumCPU(), field("/proc/cpuinfo", "model name"),
		kilobytes("/proc/meminfo", "MemTotal")/(1<<20), strings.TrimSpace(string(kernel)), runtime.Version())
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

func kilobytes(file, name string) float64 {
	kb, _ := strconv.ParseFloat(strings.TrimSuffix(field(file, name), " kB"), 64)
	return kb
}

// load is what the machine does while bench itself does nothing.
type load struct {
	average float64 // of the last minute: the row before is in it
	cores   float64 // busy during one second
}

func readLoad() load {
	before, began := busy(), time.Now()
	time.Sleep(time.Second)
	l := load{cores: (busy() - before) / time.Since(began).Seconds()}
	data, _ := os.ReadFile("/proc/loadavg")
	first, _, _ := strings.Cut(string(data), " ")
	l.average, _ = strconv.ParseFloat(first, 64)
	return l
}

// busy returns the seconds of processor time that the machine has spent, time
// stolen by its host included.
func busy() (sum float64) {
	data, _ := os.ReadFile("/proc/stat")
	first, _, _ := strings.Cut(string(data), "\n")
	for i, f := range strings.Fields(first) {
		if i == 0 || i == 4 || i == 5 || i > 8 { // "cpu"; idle; iowait; guests, who are in user
			continue
		}
		ticks, _ := strconv.ParseFloat(f, 64)
		sum += ticks / 100
	}
	return sum
}

// noteLoad prints the load, and warns when the machine has other work.
func (t *table) noteLoad(l load, first bool) {
	fmt.Printf("\nload average %.2f, %.2f cores busy\n", l.average, l.cores)
	t.Cores = max(t.Cores, l.cores)
	if first {
		t.Average = l.average
	}
	if l.cores > 0.25 || first && l.average > 1 {
		fmt.Println("bench: warning: the machine has other work, and these numbers will show it")
	}
}
