// Command probe is what the tests run in steps. It is the only program in the
// test image, and its shell too: `SHELL ["/probe"]` makes a RUN's text its one
// argument. A text is a list of commands joined by &&; # starts a comment.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	text, _, _ := strings.Cut(strings.Join(os.Args[1:], " "), "#")
	for c := range strings.SplitSeq(text, "&&") {
		args := strings.Fields(c)
		if len(args) == 0 {
			continue
		}
		f := commands[args[0]]
		if f == nil {
			fmt.Println("probe: unknown command", args[0])
			os.Exit(127)
		}
		if err := f(args[1:]); err != nil {
			fmt.Println("probe:", args[0]+":", err)
			os.Exit(3)
		}
	}
}

var commands map[string]func(args []string) error

func init() {
	commands = map[string]func(args []string) error{
		"nanos": nanos,
		"env":   env,
		"echo":  func(args []string) error { fmt.Println(strings.Join(args, " ")); return nil },
		"exit":  func(args []string) error { n, _ := strconv.Atoi(args[0]); os.Exit(n); return nil },
		"sleep": func(args []string) error { d, err := time.ParseDuration(args[0]); time.Sleep(d); return err },
		"mkdir": func(args []string) error { return os.MkdirAll(args[0], 0o755) },
		"write": func(args []string) error { return os.WriteFile(args[0], []byte(strings.Join(args[1:], " ")), 0o644) },
		"chmod": func(args []string) error {
			m, _ := strconv.ParseUint(args[0], 8, 32)
			return os.Chmod(args[1], fs.FileMode(m))
		},
		"chown":   func(args []string) error { n, _ := strconv.Atoi(args[0]); return os.Lchown(args[1], n, n) },
		"symlink": func(args []string) error { return os.Symlink(args[0], args[1]) },
		"touch": func(args []string) error {
			n, _ := strconv.ParseInt(args[0], 10, 64)
			return os.Chtimes(args[1], time.Unix(n, 0), time.Unix(n, 0))
		},
		"hostname": func(args []string) error { h, err := os.Hostname(); fmt.Println("hostname", h); return err },
		"forks":    forks,
		"hog":      hog,
		"child":    child,
		"fill":     fill,
		"file": func(args []string) error {
			n, _ := strconv.Atoi(args[1])
			return os.WriteFile(args[0], make([]byte, n<<20), 0o644)
		},
		"network": network,
		"outside": outside,
		"files":   files,
		"marks":   marks,
		"inherit": inherit,
	}
}

func nanos(args []string) error {
	return os.WriteFile(args[0], []byte(strconv.FormatInt(time.Now().UnixNano(), 10)), 0o644)
}

func env(args []string) error {
	return os.WriteFile(args[0], []byte(strings.Join(os.Environ(), "\n")), 0o644)
}

// inherit prints what a process has from its ancestors.
func inherit(args []string) error {
	for name, kind := range map[string]int{"core": syscall.RLIMIT_CORE, "stack": syscall.RLIMIT_STACK, "nofile": syscall.RLIMIT_NOFILE} {
		var l syscall.Rlimit
		if err := syscall.Getrlimit(kind, &l); err != nil {
			return err
		}
		fmt.Println(name, l.Cur)
	}
	mask := syscall.Umask(0)
	fmt.Printf("umask %o\n", mask)
	p, _, _ := syscall.RawSyscall(syscall.SYS_PERSONALITY, 0xffffffff, 0, 0)
	fmt.Println("personality", p)
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(status)) {
		if strings.HasPrefix(line, "SigIgn") {
			fmt.Print(line)
		}
	}
	wd, err := os.Getwd()
	fmt.Println("cwd", wd)
	return err
}

// forks starts as many sleeping processes as it can, prints how many, and
// fails if it is not stopped before the number given.
func forks(args []string) error {
	most, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	for i := range most {
		if err := exec.Command("/probe", "sleep 1h").Start(); err != nil {
			fmt.Println("forks", i, err)
			return err
		}
	}
	return errors.New("nothing stopped it")
}

// hog uses the given number of MiB of memory, or all there is.
func hog(args []string) error {
	n, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	var held [][]byte
	for range n {
		b := make([]byte, 1<<20)
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
		held = append(held, b)
	}
	fmt.Println("hog", len(held))
	return nil
}

// child does as cargo does with rustc: it runs a command in a process of its own,
// and ends with 101 if that one ends badly.
func child(args []string) error {
	out, err := exec.Command("/probe", args...).CombinedOutput()
	if err != nil {
		fmt.Printf("child: %v\n%s", err, out)
		os.Exit(101)
	}
	return nil
}

// fill writes MiB by MiB to a file until it is stopped.
func fill(args []string) error {
	f, err := os.Create(args[0])
	if err != nil {
		return err
	}
	b := bytes.Repeat([]byte("x"), 1<<20)
	for {
		if _, err := f.Write(b); err != nil {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func ok(what string, good bool, detail any) {
	verdict := "open"
	if good {
		verdict = "closed"
	}
	fmt.Println(verdict, what, detail)
}

func refuses(what, network, addr string) {
	c, err := net.DialTimeout(network, addr, 2*time.Second)
	if err == nil {
		c.Close()
	}
	ok(what, err != nil, err)
}

// outside tries to reach other machines, and looks at all files. It is not for
// use on the host.
func outside([]string) error {
	_, err := net.LookupHost("name.invalid")
	var dns *net.DNSError
	ok("dns", errors.As(err, &dns) && !dns.IsNotFound, err)
	refuses("outside tcp", "tcp", "192.0.2.1:80")
	refuses("outside tcp v6", "tcp", "[2001:db8::1]:80")
	c, err := net.Dial("udp", "192.0.2.1:53")
	if err == nil {
		_, err = c.Write([]byte("x"))
	}
	ok("outside udp", err != nil, err)
	var sockets []string
	filepath.WalkDir("/", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil
		}
		if path == "/proc" {
			return fs.SkipDir
		}
		if d.Type()&fs.ModeSocket != 0 {
			sockets = append(sockets, path)
		}
		return nil
	})
	ok("sockets in files", len(sockets) == 0, sockets)
	return nil
}

// network looks for a way out of the step in every way that it knows, and
// prints a line for each. Arguments are a TCP port and the name of an abstract
// socket, both listened on by the host.
func network(args []string) error {
	port, abstract := args[0], args[1]
	ifs, err := net.Interfaces()
	var names []string
	for _, i := range ifs {
		if i.Name != "lo" {
			names = append(names, i.Name)
		}
	}
	ok("interfaces", err == nil && len(names) == 0, names)
	for _, f := range []string{"route", "ipv6_route"} {
		b, err := os.ReadFile("/proc/net/" + f)
		n := 0
		for line := range strings.Lines(string(b)) {
			if !strings.HasPrefix(line, "Iface") && !strings.HasSuffix(strings.TrimSpace(line), " lo") {
				n++
			}
		}
		ok(f, (err == nil || os.IsNotExist(err)) && n == 0, n)
	}
	refuses("host loopback", "tcp", "127.0.0.1:"+port)
	refuses("host loopback v6", "tcp", "[::1]:"+port)
	refuses("abstract socket", "unix", "@"+abstract)

	b, err := os.ReadFile("/proc/net/unix")
	ok("proc net unix", err == nil && bytes.Count(b, []byte("\n")) <= 1, strings.TrimSpace(string(b)))

	var leaks []string
	for _, e := range os.Environ() {
		name, _, _ := strings.Cut(e, "=")
		if strings.HasPrefix(name, "OTEL") || name == "TRACEPARENT" || strings.HasPrefix(name, "BUILDKIT") || strings.HasSuffix(strings.ToLower(name), "_proxy") {
			leaks = append(leaks, e)
		}
	}
	ok("environment", len(leaks) == 0, leaks)
	_, err = os.Lstat("/dev/otel-grpc.sock")
	ok("trace socket", os.IsNotExist(err), err)
	fd, err := syscall.Socket(syscall.AF_PACKET, syscall.SOCK_RAW, 0)
	if err == nil {
		err = syscall.Sendto(fd, make([]byte, 64), 0, &syscall.SockaddrLinklayer{Ifindex: 2})
	}
	ok("raw packets", err != nil, err)
	err = syscall.Unshare(syscall.CLONE_NEWNET)
	ok("unshare", err != nil, err)
	nsfd, err := os.Open("/proc/1/ns/net")
	if err == nil {
		defer nsfd.Close()
		_, _, errno := syscall.RawSyscall(308, nsfd.Fd(), syscall.CLONE_NEWNET, 0) // setns
		if errno != 0 {
			err = errno
		}
	}
	ok("setns", err != nil, err)
	// Engine and host must not be among the processes that are visible.
	var procs []string
	dirs, _ := os.ReadDir("/proc")
	for _, d := range dirs {
		if _, err := strconv.Atoi(d.Name()); err == nil {
			b, _ := os.ReadFile("/proc/" + d.Name() + "/comm")
			if comm := strings.TrimSpace(string(b)); comm != "probe" {
				procs = append(procs, comm)
			}
		}
	}
	ok("processes", len(procs) == 0, procs)
	return nil
}
