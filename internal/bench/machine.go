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
		number(field("/proc/meminfo", "MemTotal"), 0)/(1<<20), strings.TrimSpace(string(kernel)), runtime.Version())
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

// number returns the i-th word of s as a number, 0 if it is none.
func number(s string, i int) float64 {
	if words := strings.Fields(s); i < len(words) {
		f, _ := strconv.ParseFloat(words[i], 64)
		return f
	}
	return 0
}

// noteLoad measures the load for one second, in which bench does nothing, and
// warns when the machine has other work. Later than before the first row the
// average is that of the row before.
func (t *table) noteLoad(first bool) {
	idle := func() float64 {
		data, _ := os.ReadFile("/proc/stat")
		return (number(string(data), 4) + number(string(data), 5)) / 100 // idle and waiting for disks, of all processors
	}
	before, began := idle(), time.Now()
	time.Sleep(time.Second)
	cores := max(0, float64(runtime.NumCPU())-(idle()-before)/time.Since(began).Seconds())
	average := loadAverage()
	fmt.Printf("\nload average %.2f, %.2f cores busy\n", average, cores)
	t.Cores = max(t.Cores, cores)
	if first {
		t.Average = average
	}
	if cores > 0.25 || first && average > 1 {
		fmt.Println("bench: warning: the machine has other work, and these numbers will show it")
	}
}

// noteEnd adds the load at the end, which is that of the last row.
func (t *table) noteEnd() { t.AverageEnd, t.Took = loadAverage(), time.Since(t.Date) }

func loadAverage() float64 {
	data, _ := os.ReadFile("/proc/loadavg")
	return number(string(data), 0)
}
