//! Does each thing that `twice audit` names, once.
use std::io::Write;
use std::net::{TcpStream, ToSocketAddrs, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::{env, fs};

fn main() {
    let out = env::var("OUT_DIR").unwrap();
    let out = Path::new(&out);

    // Nothing to speak of: its own files, OUT_DIR, cargo's variables.
    let words = fs::read_to_string("words.txt").unwrap();
    fs::write(out.join("words.rs"), format!("pub const WORDS: &str = {words:?};\n")).unwrap();
    let _ = env::var("TARGET");

    // The environment.
    let _ = env::var("USER");
    let _ = env::var_os("BUSY_SCRIPT_OPTION");
    let _ = env::vars_os().count();

    // Files outside of OUT_DIR.
    let _ = fs::read("/etc/passwd");
    let _ = fs::read("/nonexistent/settings");
    let _ = fs::read_dir("/etc/alternatives").map(|d| d.count());
    fs::write("generated.txt", "in the sources\n").unwrap();
    fs::write("/tmp/busy-script-left-behind", "").unwrap();
    fs::write("/tmp/busy-script-removed", "").unwrap();
    fs::remove_file("/tmp/busy-script-removed").unwrap();
    let _ = fs::write("/proc/sys/kernel/hostname", "busy");

    // Programs: one of the system, one that isn't there, a compiler, and one that
    // was built.
    let _ = Command::new("uname").output();
    let _ = Command::new("no-such-program").status();
    fs::write(out.join("probe.c"), "int main(void) { return 0; }\n").unwrap();
    let probe = out.join("probe");
    assert!(Command::new("cc").arg("-o").arg(&probe).arg(out.join("probe.c")).status().unwrap().success());
    assert!(Command::new(&probe).status().unwrap().success());

    // The network: a name, a connection, a datagram from a thread.
    let _ = ("crates.example.org", 443).to_socket_addrs();
    let _ = TcpStream::connect(("192.0.2.1", 80));
    let send = std::thread::spawn(|| UdpSocket::bind("0.0.0.0:0").and_then(|s| s.send_to(b"?", "192.0.2.2:53")));
    let _ = send.join();

    writeln!(std::io::stdout(), "cargo:rerun-if-changed=words.txt").unwrap();
}
