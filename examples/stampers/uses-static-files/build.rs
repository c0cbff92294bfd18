fn main() -> std::io::Result<()> {
    static_files::resource_dir("./files").build()
}
