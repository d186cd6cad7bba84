//! Services for tests: real ones, from the system's packages, each in a temporary folder of its own and
//! on a free port. Knows nothing of Tidewire.
//!
//! A service ends with its handle, and also if the test is killed: it hangs on a pipe from this process.

mod authority;
mod nginx;
mod postgres;
mod process;
mod redis;
mod small_disk;

pub use authority::Authority;
pub use nginx::Nginx;
pub use postgres::{Held, Postgres};
pub use redis::Redis;
