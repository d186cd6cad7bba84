//! What apps get: packages for the platforms' own build systems, ready to be published.

pub(crate) mod aar;
mod elf;
pub(crate) mod lean;
mod ndk;
pub(crate) mod xcframework;
