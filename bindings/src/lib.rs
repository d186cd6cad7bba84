//! The bindings of Tidewire for Swift and Kotlin, made with UniFFI. They come next: there is no
//! API in here yet, and nothing is generated from it.
