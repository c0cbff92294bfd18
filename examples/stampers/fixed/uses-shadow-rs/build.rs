use std::collections::BTreeSet;

fn main() {
    shadow_rs::ShadowBuilder::builder()
        .deny_const(BTreeSet::from([shadow_rs::CARGO_MANIFEST_DIR]))
        .build()
        .unwrap();
}
