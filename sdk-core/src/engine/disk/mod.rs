//! What is asked of the disk: loads, transactions and what waits for them, the room that they take.

pub(super) mod commit;
pub(super) mod loads;
pub(super) mod report;
pub(super) mod retention;
pub(super) mod search;
pub(super) mod transaction;
