//! The demo, the load generator and the benchmarks of Tidewire, and the faulty network that they
//! share with the end-to-end tests.

pub mod proxy;
