//! The server from outside: a real listener, real sockets, the real binary.

// A helper that cannot go on fails its test, and says where.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod accounts;
mod admission;
mod attacks;
mod binary;
mod blocks;
mod changes;
mod events;
mod events_watch;
mod harness;
mod http;
mod jwks;
mod lifecycle;
mod monitor;
mod objects;
mod presence;
mod receipts;
mod reports;
mod revocation;
mod s3;
mod security;
mod settings;
mod slow;
mod socket;
mod socket_feed;
mod socket_live;
mod stream;
mod sync;
mod tls;
mod uploads;
