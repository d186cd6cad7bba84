//! The engine under a virtual clock, against a model of the server and the real transaction
//! executor.

mod health;
mod lifecycle;
mod model;
mod modes;
mod random;
mod receipts;
mod scenarios;
mod sending;
mod world;
