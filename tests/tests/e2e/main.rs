//! End to end: real servers, real clients, real faults. Each file is a subject, each name a
//! promise.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "in a test a panic is the report")]

mod accounts;
mod attachments;
mod budget;
mod changes;
mod conformance;
mod crash;
mod cursors;
mod damage;
mod delivery;
mod disks;
mod downloads;
mod files;
mod folders;
mod import;
mod instances;
mod library;
mod lifecycle;
mod limited;
mod members;
mod modes;
mod offline;
mod portal;
mod presence;
mod profiles;
mod receipts;
mod recorder;
mod restarts;
mod retention;
mod rooms;
mod search;
mod sessions;
mod stage;
mod storm;
mod streams;
mod timelines;
mod tls;
mod tokens;
mod trouble;
mod unread;
mod why;
mod wire;
