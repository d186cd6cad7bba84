//! Thousands of lives of clients, each from a seed: under a virtual clock, against the model
//! server, with every fault that the simulator knows.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "in a test a panic is the report")]

mod app;
mod campaign;
mod crash;
mod crowds;
mod outage;
mod planted;
