//! What apps get: packages for the platforms' own build systems, ready to be published.

pub(crate) mod aar;
mod elf;
mod ndk;
pub(crate) mod xcframework;
