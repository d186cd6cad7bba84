//! What is known of rooms, and what is shown of them in lists.

pub(super) mod background;
pub(super) mod drafts;
pub(super) mod heads;
pub(super) mod interest;
pub(super) mod list;
pub(super) mod lists;
pub(super) mod names;
pub(super) mod room;
pub(super) mod settings;
pub(super) mod unread;
