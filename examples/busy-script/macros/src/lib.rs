//! Asks for a variable, reads a file, starts a program, and tries the network.
use proc_macro::TokenStream;

#[proc_macro]
pub fn busy(_: TokenStream) -> TokenStream {
    let _ = std::env::var("BUSY_MACRO_OPTION");
    let _ = std::fs::read("/etc/hosts");
    let _ = std::process::Command::new("date").output();
    let _ = std::net::TcpStream::connect(("192.0.2.3", 80));
    "1".parse().unwrap()
}
