fn main() {
    shadow_rs::ShadowBuilder::builder().build().unwrap();
}
