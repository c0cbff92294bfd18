package cause

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

var (
	side1, side2 = known().A, known().B
	cTools       = []string{"gcc"}
	rustTools    = []string{"rustc"}
)

const libdemo = "rlib/libdemo.rlib"

// gccRandom has a symbol whose name gcc makes unique by a random number.
const threeUnits = "pub mod a { pub fn f(x: &[u8]) -> u8 { x[3] } }\npub mod b { pub fn g(x: &[u8]) -> u8 { x[4] } }\npub mod c { pub fn h(x: &[u8]) -> u8 { x[5] } }\n"

var examples = []example{
	// Paths.
	{name: "c-file", rules: "build-path", proof: "source directory", tools: cTools,
		make:  twoDirs("const char *f(void) { return __FILE__; }\n", "DIR/x.c"),
		fixed: without3(twoDirs("const char *f(void) { return __FILE__; }\n", "DIR/x.c", "-ffile-prefix-map=DIR=/src"))},
	{name: "c-debug-directory", rules: "build-path", tools: cTools, make: twoDirs(tiny, "-g"),
		fixed: without3(twoDirs(tiny, "-g", "-ffile-prefix-map=DIR=/src"))},
	{name: "c-debug-directory-unknown", rules: "path", tools: cTools, make: unknowing(twoDirs(tiny, "-g"))},
	{name: "c-program-path", as: "bin/x", rules: "build-path", tools: cTools, make: func(m *maker) ([]byte, []byte, Context) {
		const source = "#include <stdio.h>\nint main(void) { puts(__FILE__); }\n"
		a, b := m.path("one"), m.path("another/two")
		return m.gcc("one", source, nil, a+"/x.c", "-g"), m.gcc("another/two", source, nil, b+"/x.c", "-g"),
			Context{A: Build{Path: a}, B: Build{Path: b}}
	}},
	{name: "rust-panic-path", as: libdemo, rules: "build-path", where: "crate demo", tools: rustTools,
		make: func(m *maker) ([]byte, []byte, Context) {
			return m.rustc("build/demo", panics, nil), m.rustc("b/another/demo", panics, nil),
				Context{A: Build{Path: m.path("build/demo")}, B: Build{Path: m.path("b/another/demo")}}
		},
		fixed: func(m *maker) ([]byte, []byte) {
			return m.rustc("build/demo", panics, nil, "--remap-path-prefix="+m.path("build/demo")+"=/src"),
				m.rustc("b/another/demo", panics, nil, "--remap-path-prefix="+m.path("b/another/demo")+"=/src")
		}},
	{name: "rust-debug-path", as: libdemo, rules: "build-path", where: "crate demo", tools: rustTools,
		make: func(m *maker) ([]byte, []byte, Context) {
			return m.rustc("build/demo", panics, nil, "-g"), m.rustc("b/another/demo", panics, nil, "-g"),
				Context{A: Build{Path: m.path("build/demo")}, B: Build{Path: m.path("b/another/demo")}}
		}},
	{name: "rust-cargo-home", as: libdemo, rules: "cargo-home", where: "crate demo", tools: rustTools,
		make: func(m *maker) ([]byte, []byte, Context) {
			const in = "/registry/src/index.example.org-0123456789abcdef/demo-1.2.3"
			return m.rustc("cargo"+in, panics, nil), m.rustc("home/other/.cargo"+in, panics, nil), Context{}
		},
		fixed: func(m *maker) ([]byte, []byte) {
			const in = "/registry/src/index.example.org-0123456789abcdef/demo-1.2.3"
			return m.rustc("cargo"+in, panics, nil, "--remap-path-prefix="+m.path("cargo")+"=/cargo"),
				m.rustc("home/other/.cargo"+in, panics, nil, "--remap-path-prefix="+m.path("home/other/.cargo")+"=/cargo")
		}},
	{name: "rust-out-dir", as: libdemo, rules: "out-dir", where: "crate demo", tools: rustTools,
		make: func(m *maker) ([]byte, []byte, Context) {
			lib := func(dir string) []byte {
				g := m.write(filepath.Join(dir, "target/release/build/demo-0123456789abcdef/out/gen.rs"), panics)
				return m.rustc(dir, "include!(concat!(env!(\"OUT_DIR\"), \"/gen.rs\"));\n", []string{"OUT_DIR=" + filepath.Dir(g)},
					"--remap-path-prefix="+m.path(dir, "src")+"=/src")
			}
			return lib("one"), lib("elsewhere"), Context{A: Build{Path: m.path("one/src")}, B: Build{Path: m.path("elsewhere/src")}}
		}},
	{name: "c-install-prefix", rules: "install-prefix", tools: cTools, make: embedded("ENGINESDIR: \"/build/app/target/release/build/openssl-sys-0123456789abcdef/out/openssl-build/install/lib/engines-3\"",
		"ENGINESDIR: \"/b/another/app/target/release/build/openssl-sys-0123456789abcdef/out/openssl-build/install/lib/engines-3\"")},
	{name: "rust-src", rules: "rust-src", tools: cTools, make: embedded("/rustc/59807616e1fa2540724bfbac14d7976d7e4a3860/library/core/src/option.rs",
		"/opt/rust/lib/rustlib/src/rust/library/core/src/option.rs")},
	{name: "registry-name", rules: "cargo-home", tools: cTools, where: "crate serde 1.0.228",
		make: embedded("/cargo/registry/src/index.example.org-1949cf8c6b5b557f/serde-1.0.228/src/lib.rs", "/cargo/registry/src/mirror-77aa8d5c0bc1f1e2/serde-1.0.228/src/lib.rs")},

	// Settings.
	{name: "vergen-placeholder", rules: "vergen-placeholder", proof: "2026-11-22T01:00:00Z root", tools: cTools,
		make: embedded("2026-11-22T01:00:00Z root", "2026-11-22T01:00:00Z VERGEN_IDEMPOTENT_OUTPUT")},
	{name: "rust-env-user", as: libdemo, rules: "user", where: "crate demo", tools: rustTools, make: ofEnv("USER", "root", "second")},
	{name: "rust-env-host", as: libdemo, rules: "host", tools: rustTools, make: ofEnv("HOSTNAME", "first-builder", "second-builder")},
	{name: "rust-env-home", as: libdemo, rules: "home", tools: rustTools, make: ofEnv("HOME_OF_BUILD", "/root", "/b/home/second")},
	{name: "time-zone", rules: "time-zone", tools: cTools, make: embedded("zone UTC", "zone Asia/Kathmandu")},
	{name: "time-zone-name", rules: "time-zone", tools: cTools, make: embedded("built at noon UTC by hand", "built at noon +0545 by hand")},
	{name: "locale", rules: "locale", tools: cTools, make: embedded("LANG is C.UTF-8 here", "LANG is fr_CH.UTF-8 here")},
	{name: "environment", rules: "environment", make: plain([]byte("HOME=/x\nUSER=x\n"), []byte("HOME=/x\nTWICE_SECOND_BUILD=1\nUSER=x\n"), known())},
	{name: "search-path", rules: "search-path", tools: cTools, make: func(m *maker) ([]byte, []byte, Context) {
		a, b, c := embedded("PATH=/usr/bin:/bin", "PATH=/usr/bin:/bin:/usr/games")(m)
		c.A.SearchPath, c.B.SearchPath = "/usr/bin:/bin", "/usr/bin:/bin:/usr/games"
		return a, b, c
	}},
	{name: "kernel", rules: "kernel", tools: cTools, make: embedded("Linux 6.18.5-foo x86_64", "Linux 2.6.78-foo x86_64")},
	{name: "cpu-count", rules: "cpu-count", tools: cTools, make: embedded("8", "7")},
	{name: "locale-assigned", rules: "locale", tools: cTools, make: embedded("locale=C.UTF-8", "locale=C")},
	{name: "umask-sorted", rules: "umask", tools: cTools, make: embedded("kindtruemain is 644", "kind600 true main is")},
	{name: "order-runs", rules: "order", tools: cTools, make: embedded("key06key00key05key17key28key03key07key31", "key31key28key05key00key17key03key07key06")},
	{name: "jobs", rules: "jobs", tools: cTools, make: embedded("made with 2 jobs", "made with 3 jobs")},
	{name: "umask", rules: "umask", tools: cTools, make: embedded("umask 0022 then", "umask 0077 then")},

	// Times.
	{name: "c-date", rules: "time", proof: "__DATE__", tools: cTools,
		make: func(m *maker) ([]byte, []byte, Context) {
			const source = "const char *f(void) { return __DATE__ \" \" __TIME__; }\n"
			return m.gcc("x", source, []string{"SOURCE_DATE_EPOCH=1795309203"}, "-c"), m.gcc("x", source, []string{"SOURCE_DATE_EPOCH=1795395999"}, "-c"), Context{}
		},
		fixed: func(m *maker) ([]byte, []byte) {
			const source = "const char *f(void) { return __DATE__ __TIME__; }\n"
			a := m.gcc("x", source, []string{"SOURCE_DATE_EPOCH=1795309203"}, "-c")
			return a, m.gcc("x", source, []string{"SOURCE_DATE_EPOCH=1795309203"}, "-c")
		}},
	{name: "time-seconds", rules: "time", proof: ownTime, tools: cTools, make: embedded(fmt.Sprintf("at %d.", at(side1, time.Second).Unix()), fmt.Sprintf("at %d.", at(side2, time.Second).Unix()))},
	{name: "time-nanoseconds", rules: "time", proof: ownTime, tools: cTools, make: embedded(fmt.Sprint(at(side1, 12345).UnixNano()), fmt.Sprint(at(side2, 67891).UnixNano()))},
	{name: "time-rfc3339", rules: "time", proof: ownTime, tools: cTools,
		make: embedded(at(side1, time.Second).Format(time.RFC3339), at(side2, 2*time.Second).Format(time.RFC3339))},
	{name: "time-local", rules: "time", proof: ownTime, tools: cTools,
		make: embedded(at(side1, time.Second).Format("2006-01-02 15:04:05"), at(side2, time.Second).Add(5*time.Hour+45*time.Minute).Format("2006-01-02 15:04:05"))},
	{name: "time-two-zones", rules: "time", tools: cTools, make: unknowing(embedded("2026-11-22T01:00:05+00:00", "2026-11-22T06:45:05+05:45"))},
	{name: "time-date1", rules: "time", tools: cTools, make: unknowing(embedded("Sun Nov 22 01:00:05 UTC 2026", "Sun Nov 22 01:02:17 UTC 2026"))},
	{name: "time-binary", rules: "time", proof: "as a number of seconds", make: plain(blob(le64(uint64(at(side1, time.Second).Unix()))), blob(le64(uint64(at(side2, time.Second).Unix()))), known())},
	{name: "source-mtime", rules: "source-mtime", make: plain(blob(le64(uint64(side1.Mtime))), blob(le64(uint64(side2.Mtime))), known())},
	{name: "source-mtime-text", rules: "source-mtime", tools: cTools, make: embedded(fmt.Sprint("modified ", side1.Mtime), fmt.Sprint("modified ", side2.Mtime))},

	// Names and numbers that are new each time.
	{name: "temporary-name", rules: "temporary-name", tools: cTools, make: embedded("compiled from /tmp/.tmpAb3dEf/gen.c", "compiled from /tmp/.tmpZz81qQ/gen.c")},
	{name: "nvcc-temporary", rules: "nvcc-temporary", tools: cTools, make: embedded("tmpxft_00001f2e_00000000-6_k.cudafe1.cpp", "tmpxft_00002a7b_00000000-6_k.cudafe1.cpp")},
	{name: "uuid", rules: "uuid", tools: cTools, make: embedded("f47ac10b-58cc-4372-a567-0e02b2c3d479", "9b2d4f3e-0c1a-4e8b-b6d5-7a1f0e2c3b4d")},
	{name: "git-describe", rules: "git", tools: cTools, make: embedded("v1.2.3-4-g0123abc", "v1.2.3-5-gfedc987-dirty")},
	{name: "git-dirty", rules: "git", tools: cTools, make: embedded("rev 0123abcd", "rev 0123abcd-dirty")},
	{name: "address", rules: "address", tools: cTools, make: embedded("table at 0x7f3a1c2b4010", "table at 0x7ffd5e6f9010")},
	{name: "address-binary", rules: "address", make: plain(blob(le64(0x7f3a1c2b4010)), blob(le64(0x7f905e6f9010)), Context{})},
	{name: "random", rules: "random", make: plain(blob([]byte("\xa5\x4d\xca\x18\x25\x30\xbb\x1d\x6d\x13\x2c\xde\xd6\x23\x7b\x2e")), blob([]byte("\xd9\x1e\x3f\x72\x1f\xcb\x19\x71\x17\x44\x94\xd6\x49\x3c\x9d\x5c")), Context{})},
	{name: "random-number", rules: "random", tools: cTools, make: embedded("867739623638782699123481270046112", "28839077694380415512093774618822934")},
	{name: "random-text", rules: "random", tools: cTools, make: embedded("seed=Zk3vQ9xLm2TtYb7R", "seed=aW8sHc5JnE1pXg4D")},
	{name: "const-random", as: libdemo, rules: "random", where: "crate demo", tools: rustTools, make: func(m *maker) ([]byte, []byte, Context) {
		source := func(seed string) string {
			return "pub static SEED: [u64; 2] = " + seed + ";\npub fn f(x: &[u8], i: usize) -> u8 { x[i] ^ SEED[i & 1] as u8 }\n"
		}
		return m.rustc("x", source("[0x94e3bf911a61dbe2, 0xa38fd547923a7369]"), nil), m.rustc("x", source("[0x5f557203301850c5, 0x8c38fb2918f135d2]"), nil), Context{}
	}},

	// Order.
	{name: "order-lines", rules: "order", make: plain([]byte("alpha\nbeta\ngamma\n"), []byte("gamma\nalpha\nbeta\n"), Context{})},
	{name: "order-strings", rules: "order", tools: cTools, make: func(m *maker) ([]byte, []byte, Context) {
		source := func(a, b, c string) string {
			return fmt.Sprintf("const char t[3][16] = {%q, %q, %q};\n", a, b, c)
		}
		return m.gcc("x", source("first entry", "second entry", "third entry"), nil, "-c"), m.gcc("x", source("third entry", "first entry", "second entry"), nil, "-c"), Context{}
	}},
	{name: "order-joined", rules: "order", tools: cTools, make: embedded("key30 key29 key08 key24 key27 key12 end", "key12 key08 key29 key27 key30 key24 end")},
	{name: "order-json", rules: "json-order", make: plain([]byte(`{"a":1,"b":2}`), []byte(`{"b":2,"a":1}`), Context{})},
	{name: "hashmap", as: libdemo, rules: "order", where: "crate demo", tools: rustTools, make: func(m *maker) ([]byte, []byte, Context) {
		source := func(words ...string) string {
			return fmt.Sprintf("pub static NAMES: &[&str] = &[%s];\npub fn f(i: usize) -> &'static str { NAMES[i] }\n", "\""+strings.Join(words, "\", \"")+"\"")
		}
		return m.rustc("x", source("apples and", "oranges or", "bananas in"), nil), m.rustc("x", source("bananas in", "apples and", "oranges or"), nil), Context{}
	}},
	{name: "codegen-units", as: libdemo, rules: "codegen-units", where: "crate demo", tools: rustTools, make: func(m *maker) ([]byte, []byte, Context) {
		return m.rustc("x", threeUnits, nil, "-C", "codegen-units=1", "-C", "opt-level=0"), m.rustc("x", threeUnits, nil, "-C", "codegen-units=4", "-C", "opt-level=0"), Context{}
	}},
	{name: "function-order", as: "bin/x", rules: "codegen-units", tools: cTools, make: func(m *maker) ([]byte, []byte, Context) {
		f, g := "int f(int x) { return x * 3; }\n", "int g(int x) { return x * 5; }\n"
		return m.gcc("x", f+g, nil, "-c"), m.gcc("x", g+f, nil, "-c"), Context{}
	}},

	// Compilers.
	{name: "incremental", as: libdemo, rules: "incremental", where: "crate demo", tools: rustTools,
		make: func(m *maker) ([]byte, []byte, Context) {
			return m.rustc("x", threeUnits, nil), m.rustc("x", threeUnits, nil, "-C", "incremental="+m.path("inc")), Context{}
		},
		fixed: func(m *maker) ([]byte, []byte) {
			return m.rustc("x", threeUnits, nil), m.rustc("x", threeUnits, nil)
		}},
	{name: "crate-id", as: libdemo, rules: "crate-id", where: "crate demo", tools: rustTools, make: func(m *maker) ([]byte, []byte, Context) {
		return m.rustc("x", threeUnits, nil, "-C", "metadata=one"), m.rustc("x", threeUnits, nil, "-C", "metadata=two"), Context{}
	}},
	{name: "crate-hash", as: libdemo, rules: "crate-hash", where: "", tools: rustTools, make: func(m *maker) ([]byte, []byte, Context) {
		return m.rustc("x", tinyRust, nil), m.rustc("x", "\n// a line more\n"+tinyRust, nil), Context{}
	}},
	{name: "compiler", rules: "compiler", make: func(m *maker) ([]byte, []byte, Context) {
		a := m.gcc("x", tiny, nil, "-c")
		return a, replaced(m, a, "GCC: (", "GCC: {"), Context{}
	}, tools: cTools},
	{name: "compiler-flags", rules: "compiler-flags", tools: cTools, make: func(m *maker) ([]byte, []byte, Context) {
		return m.gcc("x", tiny, nil, "-c", "-g", "-O1"), m.gcc("x", tiny, nil, "-c", "-g", "-O2"), Context{}
	}},
	{name: "target-cpu", as: "bin/x", rules: "target-cpu", tools: cTools, make: func(m *maker) ([]byte, []byte, Context) {
		const source = "void f(float *x, float *y) { for (int i = 0; i < 64; i++) x[i] = x[i] * y[i] + 1; }\n"
		return m.gcc("x", source, nil, "-c", "-O3", "-fno-asynchronous-unwind-tables"), m.gcc("x", source, nil, "-c", "-O3", "-march=haswell", "-fno-asynchronous-unwind-tables"), Context{}
	}},
	{name: "gcc-random-seed", rules: "gcc-random-seed", tools: cTools,
		make: func(m *maker) ([]byte, []byte, Context) {
			return m.gcc("x", tiny, nil, "-c", "-flto"), m.gcc("x", tiny, nil, "-c", "-flto"), Context{}
		},
		fixed: func(m *maker) ([]byte, []byte) {
			return m.gcc("x", tiny, nil, "-c", "-flto", "-frandom-seed=x.c"), m.gcc("x", tiny, nil, "-c", "-flto", "-frandom-seed=x.c")
		}},
	{name: "build-id", as: "bin/x", rules: "build-id", tools: cTools,
		make: func(m *maker) ([]byte, []byte, Context) {
			const source = "int main(void) { return 0; }\n"
			return m.gcc("x", source, nil, "-Wl,--build-id=uuid"), m.gcc("x", source, nil, "-Wl,--build-id=uuid"), Context{}
		},
		fixed: func(m *maker) ([]byte, []byte) {
			const source = "int main(void) { return 0; }\n"
			return m.gcc("x", source, nil, "-Wl,--build-id=sha1"), m.gcc("x", source, nil, "-Wl,--build-id=sha1")
		}},

	// Archives.
	{name: "ar-header", as: "libx.a", rules: "ar-header", tools: []string{"ar"},
		make:  packed("x.a", nil, []string{"ar", "rcU", "x.a", "a.txt", "b.txt"}, later, nil, []string{"ar", "rcU", "x.a", "a.txt", "b.txt"}),
		fixed: without3(packed("x.a", nil, []string{"ar", "rcD", "x.a", "a.txt", "b.txt"}, later, nil, []string{"ar", "rcD", "x.a", "a.txt", "b.txt"}))},
	{name: "ar-order", as: "libx.a", rules: "ar-order", tools: []string{"ar"},
		make: packed("x.a", nil, []string{"ar", "rcD", "x.a", "a.txt", "b.txt"}, nil, nil, []string{"ar", "rcD", "x.a", "b.txt", "a.txt"})},
	{name: "cc-object-name", as: "libx.a", rules: "cc-object-name", tools: []string{"ar", "gcc"}, make: func(m *maker) ([]byte, []byte, Context) {
		lib := func(hash string) []byte {
			o := m.gcc("x", tiny, nil, "-c")
			m.write("x/"+hash+"-sha.o", string(o))
			m.run("x", nil, "ar", "rcD", hash+".a", hash+"-sha.o")
			return m.read("x/" + hash + ".a")
		}
		return lib("44ff4c55aa9e5133"), lib("9e2b6c0d11f3a872"), Context{}
	}},
	{name: "tar-mtime", as: "x.tar", rules: "tar-mtime", tools: []string{"tar"}, make: packed("x.tar", nil, tarArgs, later, nil, tarArgs),
		fixed: without3(packed("x.tar", nil, with(tarArgs, "--mtime=@1700000000"), later, nil, with(tarArgs, "--mtime=@1700000000")))},
	{name: "tar-owner", as: "x.tar", rules: "tar-owner", tools: []string{"tar"}, make: packed("x.tar", nil, tarArgs, nil, nil, replacedArg(tarArgs, "--owner=0", "--owner=1000"))},
	{name: "tar-mode", as: "x.tar", rules: "tar-mode", tools: []string{"tar"}, make: packed("x.tar", nil, tarArgs, func(m *maker) {
		if err := os.Chmod(m.path("d/a.txt"), 0o600); err != nil {
			m.Fatal(err)
		}
	}, nil, tarArgs)},
	{name: "tar-order", as: "x.tar", rules: "tar-order", tools: []string{"tar"}, make: packed("x.tar", nil, tarArgs, nil, nil,
		append(append([]string{}, tarArgs[:len(tarArgs)-2]...), "b.txt", "a.txt"))},
	{name: "tar-pax", as: "x.tar", rules: "tar-pax", tools: []string{"tar"}, make: packed("x.tar", nil, tarArgs, nil, nil, replacedArg(tarArgs, "--format=gnu", "--format=pax"))},
	{name: "gzip-header", as: "x.gz", rules: "gzip-header", tools: []string{"gzip"},
		make:  packed("b.txt.gz", nil, []string{"gzip", "-k", "b.txt"}, later, nil, []string{"gzip", "-k", "b.txt"}),
		fixed: without3(packed("b.txt.gz", nil, []string{"gzip", "-kn", "b.txt"}, later, nil, []string{"gzip", "-kn", "b.txt"}))},
	{name: "gzip-level", as: "x.gz", rules: "compressor", tools: []string{"gzip"},
		make: packed("b.txt.gz", nil, []string{"gzip", "-kn1", "b.txt"}, nil, nil, []string{"gzip", "-kn9", "b.txt"})},
	{name: "gzip-program", as: "x.gz", rules: "compressor", proof: "as Go writes", tools: []string{"gzip"}, make: func(m *maker) ([]byte, []byte, Context) {
		m.files("d")
		m.run("d", nil, "gzip", "-kn", "b.txt")
		return m.read("d/b.txt.gz"), gz(m, m.read("d/b.txt")), Context{}
	}},
	{name: "zip-mtime", as: "x.zip", rules: "zip-time", tools: []string{"zip"},
		make: packed("x.zip", nil, []string{"zip", "-q", "x.zip", "a.txt", "b.txt"}, later, nil, []string{"zip", "-q", "x.zip", "a.txt", "b.txt"})},
	{name: "zip-time-zone", as: "x.zip", rules: "zip-time", tools: []string{"zip"},
		make:  packed("x.zip", []string{"TZ=UTC"}, []string{"zip", "-qX", "x.zip", "a.txt"}, nil, []string{"TZ=Asia/Tokyo"}, []string{"zip", "-qX", "x.zip", "a.txt"}),
		fixed: without3(packed("x.zip", []string{"TZ=UTC"}, []string{"zip", "-qX", "x.zip", "a.txt"}, nil, []string{"TZ=UTC"}, []string{"zip", "-qX", "x.zip", "a.txt"}))},
	{name: "zip-extra", as: "x.zip", rules: "zip-extra", make: func(m *maker) ([]byte, []byte, Context) {
		return zipOf(m, 3, nil), zipOf(m, 3, []byte("ux\x0b\x00\x01\x04\xe8\x03\x00\x00\x04\xe8\x03\x00\x00")), Context{}
	}},
	{name: "zip-mode", as: "x.zip", rules: "zip-mode", tools: []string{"zip"}, make: packed("x.zip", nil, []string{"zip", "-qX", "x.zip", "a.txt"}, func(m *maker) {
		if err := os.Chmod(m.path("d/a.txt"), 0o600); err != nil {
			m.Fatal(err)
		}
	}, nil, []string{"zip", "-qX", "x.zip", "a.txt"})},
	{name: "zip-order", as: "x.zip", rules: "zip-order", tools: []string{"zip"},
		make: packed("x.zip", nil, []string{"zip", "-qX", "x.zip", "a.txt", "b.txt"}, nil, nil, []string{"zip", "-qX", "x.zip", "b.txt", "a.txt"})},

	// Images.
	{name: "image-created", as: "image", rules: "image-created", make: func(m *maker) ([]byte, []byte, Context) {
		l := layerOf(m, readme)
		return layoutOf(m, l, nil, nil, nil), layoutOf(m, l, set("created", "2026-11-22T01:02:40Z"), nil, nil), Context{}
	}},
	{name: "image-history", as: "image", rules: "image-history", make: func(m *maker) ([]byte, []byte, Context) {
		l := layerOf(m, readme)
		return layoutOf(m, l, nil, nil, nil), layoutOf(m, l, set("history", []any{map[string]any{"created_by": "RUN other"}}), nil, nil), Context{}
	}},
	{name: "image-manifest", as: "image", rules: "image-manifest", make: func(m *maker) ([]byte, []byte, Context) {
		l := layerOf(m, readme)
		return layoutOf(m, l, nil, nil, nil), layoutOf(m, l, nil, set("annotations", map[string]any{"a": "b"}), nil), Context{}
	}},
	{name: "image-provenance", as: "image", rules: "image-provenance", make: func(m *maker) ([]byte, []byte, Context) {
		l := layerOf(m, readme)
		return layoutOf(m, l, nil, nil, nil), layoutOf(m, l, nil, nil, attested("2026-11-22T01:02:40Z")), Context{}
	}},
	{name: "image-layers", as: "image", rules: "image-layers", make: func(m *maker) ([]byte, []byte, Context) {
		l := layerOf(m, readme)
		return layoutOf(m, l, nil, nil, nil), layoutOf(m, append(l, layerOf(m)...), nil, nil, nil), Context{}
	}},
	{name: "layer-entries", as: "image", rules: "layer-entries", make: func(m *maker) ([]byte, []byte, Context) {
		return layoutOf(m, layerOf(m, readme), nil, nil, nil), layoutOf(m, layerOf(m, member{name: "usr/", typ: '5'}, member{name: "usr/share/", typ: '5'}, readme), nil, nil, nil), Context{}
	}},
	{name: "hard-link", as: "image", rules: "hard-link", make: func(m *maker) ([]byte, []byte, Context) {
		return layoutOf(m, layerOf(m, readme, member{name: "usr/share/copy", data: readme.data}), nil, nil, nil),
			layoutOf(m, layerOf(m, readme, member{name: "usr/share/copy", typ: '1', link: readme.name}), nil, nil, nil), Context{}
	}},

	// Windows, Python, WebAssembly, GPU.
	{name: "pe-timestamp", as: "x.exe", rules: "pe-timestamp", tools: []string{"x86_64-w64-mingw32-gcc"},
		make: func(m *maker) ([]byte, []byte, Context) { return m.dll(1795309203), m.dll(1795309333), Context{} },
		fixed: func(m *maker) ([]byte, []byte) {
			return m.dll(1795309203, "-Wl,--no-insert-timestamp"), m.dll(1795309333, "-Wl,--no-insert-timestamp")
		}},
	{name: "pe-guid", as: "x.exe", rules: "pe-guid", make: plain(exe(1795309203, "\xa5\x4d\xca\x18\x25\x30\xbb\x1d\x6d\x13\x2c\xde\xd6\x23\x7b\x2e"),
		exe(1795309203, "\xd9\x1e\x3f\x72\x1f\xcb\x19\x71\x17\x44\x94\xd6\x49\x3c\x9d\x5c"), Context{})},
	{name: "pyc-mtime", as: "x.pyc", rules: "pyc-mtime", make: plain(pyc(1700000000), pyc(1700009999), Context{})},
	{name: "wasm-path", as: "x.wasm", rules: "path", make: plain(wasmOf("producers", "\x01language /home/a/src/lib.rs"), wasmOf("producers", "\x01language /home/bc/src/lib.rs"), Context{})},
	{name: "ptxas-mtime", as: "k.cubin", rules: "ptxas-mtime", proof: "file 1 mtime is 1700000000 in A, 1700012345 in B", tools: []string{"ptxas"},
		make:  func(m *maker) ([]byte, []byte, Context) { return m.cubin(1700000000), m.cubin(1700012345), Context{} },
		fixed: func(m *maker) ([]byte, []byte) { return m.cubin(1700000000), m.cubin(1700000000) }},
	{name: "ptxas-mtime-in-fatbin", as: "k.fatbin", rules: "ptxas-mtime", tools: []string{"ptxas", "fatbinary"},
		make: func(m *maker) ([]byte, []byte, Context) {
			return m.fatbinOf(1700000000), m.fatbinOf(1700012345), Context{}
		}},
	{name: "ptx-mtime", as: "k.ptx", rules: "ptx-mtime", make: plain([]byte(".version 8.0\n.file 1 \"k.cu\", 1700000000, 12\n"), []byte(".version 8.0\n.file 1 \"k.cu\", 1700012345, 12\n"), Context{})},
	{name: "fatbin-compression", as: "k.fatbin", rules: "fatbin-compression", tools: []string{"ptxas", "fatbinary"},
		make: func(m *maker) ([]byte, []byte, Context) { return m.fatbin("speed"), m.fatbin("size"), Context{} }},
	{name: "shared-mem", as: "k.ptx", rules: "shared-mem", make: plain([]byte(".version 8.0\n.shared .align 4 .b8 __shared_mem_1[64];\n"), []byte(".version 8.0\n.shared .align 4 .b8 __shared_mem_7[64];\n"), Context{})},

	// Nothing that a rule knows.
	{name: "unknown", rules: Unknown, make: plain([]byte("\x00one\x00"), []byte("\x00two\x00"), Context{})},
}

const tinyRust = "pub fn f(x: u8) -> u8 { x }\n"

// replaced changes bytes of the same length in the middle.
func replaced(m *maker, p []byte, from, to string) []byte {
	out := strings.Replace(string(p), from, to, 1)
	if out == string(p) {
		m.Fatalf("no %q in it", from)
	}
	return []byte(out)
}

func replacedArg(args []string, from, to string) []string {
	out := append([]string{}, args...)
	for i := range out {
		if out[i] == from {
			out[i] = to
		}
	}
	return out
}

// dll is linked by GNU's linker, which takes SOURCE_DATE_EPOCH for the time.
func (m *maker) dll(epoch int64, args ...string) []byte {
	m.write("x/x.c", tiny)
	args = append([]string{"-shared", "-nostdlib", "-Wl,-e0", "-s", "-o", "x.dll", "x.c"}, args...)
	m.run("x", []string{fmt.Sprintf("SOURCE_DATE_EPOCH=%d", epoch)}, "x86_64-w64-mingw32-gcc", args...)
	return m.read("x/x.dll")
}
