//! What is known of others, and what they are told: profiles, receipts, presence, typing, and who is blocked.

pub(super) mod blocks;
pub(super) mod peers;
pub(super) mod profiles;
pub(super) mod receipts;
pub(super) mod typing;
pub(super) mod watch;
