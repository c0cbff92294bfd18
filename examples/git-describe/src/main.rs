fn main() {
    println!("commit {}", env!("COMMIT"));
    println!("described {}", env!("DESCRIBED"));
    println!("changes {}", env!("CHANGES"));
    println!("time {}", env!("TIME"));
}
