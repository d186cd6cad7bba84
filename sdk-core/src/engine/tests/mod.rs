//! The engine under a virtual clock, against a model of the server and the real transaction
//! executor.

mod budget;
mod ephemeral;
mod ephemeral_streams;
mod health;
mod lifecycle;
mod modes;
mod random;
mod receipts;
mod recorder;
mod scenarios;
mod sending;
mod streams;
mod why;
mod windows;

use crate::simulation::{server as model, world};
