//! UniFFI's generator, for Kotlin: `cargo xtask bindings` runs it.

fn main() {
    uniffi::uniffi_bindgen_main();
}
