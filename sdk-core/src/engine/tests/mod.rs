//! The engine under a virtual clock, against a model of the server and the real transaction
//! executor.

mod blocks;
mod budget;
mod changes;
mod ephemeral;
mod ephemeral_streams;
mod files;
mod health;
mod lifecycle;
mod modes;
mod order;
mod outbox;
mod profiles;
mod random;
mod receipts;
mod recorder;
mod rooms;
mod scenarios;
mod search;
mod sending;
mod streams;
mod trouble;
mod uploads;
mod why;
mod windows;

use crate::simulation::{server as model, world};
