//! The bindings of Tidewire for Swift and Kotlin, made with UniFFI.

uniffi::setup_scaffolding!();
