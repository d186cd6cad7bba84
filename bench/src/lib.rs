//! The demo, the load generator and the benchmarks of Tidewire, and the faulty network that they
//! share with the end-to-end tests.

pub mod crash;
pub mod demo;
pub mod ffi;
pub mod figures;
pub mod load;
pub mod modes;
pub mod proxy;
pub mod send;
pub mod server;
pub mod store;

// The programs of README and guide are tests of this crate, which has all that they use.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
mod readme {}
#[cfg(doctest)]
#[doc = include_str!("../../docs/guide.md")]
mod guide {}
