//! UniFFI's generator for Swift: `cargo xtask bindings` runs it.

fn main() {
    uniffi::uniffi_bindgen_swift();
}
