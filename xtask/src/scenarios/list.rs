//! The scenarios that an app's users live through, whatever language it is written in.

use super::Language;

/// One of them.
#[derive(Debug)]
pub(super) struct Scenario {
    /// How tests call it.
    pub(super) id: &'static str,
    /// What is promised.
    pub(super) promise: &'static str,
    /// In which languages there is nothing to be tested, and why.
    pub(super) not_in: &'static [(Language, &'static str)],
}

impl Scenario {
    /// Why a language needs no test of it.
    pub(super) fn reason_against(&self, language: Language) -> Option<&'static str> {
        self.not_in.iter().find(|(other, _)| *other == language).map(|(_, why)| *why)
    }
}

/// All of them, in the order of the table.
pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario { id: "connect", promise: "A client gets to real-time by itself", not_in: &[] },
    Scenario {
        id: "optimistic-send",
        promise: "What is sent shows at once and becomes sent under the same id",
        not_in: &[],
    },
    Scenario { id: "receive", promise: "What others send arrives, once and in order", not_in: &[] },
    Scenario {
        id: "offline-send",
        promise: "What is sent without a network goes out by itself when there is one",
        not_in: &[],
    },
    Scenario {
        id: "take-back",
        promise: "What waits can be taken back without a trace, and expires or is skipped if the app says so",
        not_in: &[],
    },
    Scenario {
        id: "lost-answer",
        promise: "A send whose answer was lost creates no second message",
        not_in: &[],
    },
    Scenario {
        id: "visible-rooms",
        promise: "A room that the list shows is live before one with later news",
        not_in: &[],
    },
    Scenario {
        id: "slow-network",
        promise: "Where answers take long, the mode steps down, says why, and chat goes on",
        not_in: &[],
    },
    Scenario { id: "background", promise: "To the background and back loses nothing", not_in: &[] },
    Scenario {
        id: "suspended",
        promise: "Suspended, a client holds no file, and wakes for a refresh",
        not_in: &[],
    },
    Scenario {
        id: "edit-delete-react",
        promise: "An edit, a deletion, a reaction shows at once and everywhere, in any order of arrival",
        not_in: &[],
    },
    Scenario {
        id: "quote-thread",
        promise: "A quote shows what the quoted message says now, and a thread is counted where it hangs",
        not_in: &[],
    },
    Scenario {
        id: "receipts",
        promise: "A message becomes delivered, and read when the others have read it",
        not_in: &[],
    },
    Scenario {
        id: "unread",
        promise: "Unread counts are exact after offline reads, other devices and reconnects",
        not_in: &[],
    },
    Scenario {
        id: "room-list",
        promise: "A list of rooms is sorted, filtered, and follows what happens",
        not_in: &[],
    },
    Scenario {
        id: "draft",
        promise: "A draft is there after a kill, and shows in the list",
        not_in: &[],
    },
    Scenario {
        id: "room-settings",
        promise: "What is set for a room shows at once, and on the other devices",
        not_in: &[],
    },
    Scenario {
        id: "members",
        promise: "Who is invited, given a role or sent away sees it, and so do the others",
        not_in: &[],
    },
    Scenario {
        id: "moderation",
        promise: "A moderator deletes, sends away and keeps out, and who is banned is not added again",
        not_in: &[],
    },
    Scenario {
        id: "mute",
        promise: "Who is muted reads on, hears until when, and writes again once it ends",
        not_in: &[],
    },
    Scenario {
        id: "block",
        promise: "Who is blocked is marked at once, offline too, on all devices, and reaches nobody in a direct room",
        not_in: &[],
    },
    Scenario {
        id: "report",
        promise: "A report keeps what was said, whatever becomes of it, and only who keeps order sees it",
        not_in: &[],
    },
    Scenario {
        id: "slow-mode",
        promise: "In slow mode messages wait for their turn in order, fail never, and hold no other room up",
        not_in: &[],
    },
    Scenario {
        id: "presence",
        promise: "A peer is seen online, away and offline, and not at all where nothing is known",
        not_in: &[],
    },
    Scenario {
        id: "typing",
        promise: "Who types is seen until a silence or the message",
        not_in: &[],
    },
    Scenario {
        id: "cancelled-next",
        promise: "A cancelled wait for the next update loses none",
        not_in: &[],
    },
    Scenario {
        id: "use-after-close",
        promise: "A closed client says so, and frees its folder",
        not_in: &[],
    },
    Scenario {
        id: "token-expires",
        promise: "A token that expires in the middle is told, and sends wait",
        not_in: &[],
    },
    Scenario {
        id: "token-provider-fails",
        promise: "A token provider that fails is asked again, and sends wait",
        not_in: &[],
    },
    Scenario {
        id: "server-down",
        promise: "Without its server a client shows what is cached and goes on afterwards",
        not_in: &[],
    },
    Scenario {
        id: "websockets-blocked",
        promise: "Where WebSockets are blocked, what others send is pushed all the same",
        not_in: &[],
    },
    Scenario {
        id: "why",
        promise: "A client explains its mode, its rooms and its messages, also while suspended",
        not_in: &[],
    },
    Scenario {
        id: "budget",
        promise: "With a budget of zero a client reads when it is asked, and a send still goes out",
        not_in: &[],
    },
    Scenario {
        id: "recorder",
        promise: "A client records what it was given and decided, without what was said",
        not_in: &[],
    },
    Scenario {
        id: "damaged-cache",
        promise: "A damaged cache comes from the server again, and what was not sent goes out",
        not_in: &[],
    },
    Scenario {
        id: "logout",
        promise: "A logout loses nothing unasked and leaves nothing behind",
        not_in: &[],
    },
    Scenario {
        id: "two-accounts",
        promise: "Two accounts of one process see nothing of each other",
        not_in: &[],
    },
    Scenario {
        id: "upload",
        promise: "A file shows at once, arrives whole through a cut, and needs the original no more",
        not_in: &[],
    },
    Scenario {
        id: "download",
        promise: "A file comes whole through a cut, is there without a network afterwards, and is shared by all who want it",
        not_in: &[],
    },
    Scenario {
        id: "search",
        promise: "What was said is found on the device, with what that covers, and on the server",
        not_in: &[],
    },
    Scenario {
        id: "profiles",
        promise: "A profile is given at once as it was last seen, and told when it is another one",
        not_in: &[],
    },
    Scenario {
        id: "open-at-unread",
        promise: "A timeline opens at the first unread message and says where that begins",
        not_in: &[],
    },
    Scenario {
        id: "jump-to-message",
        promise: "A timeline opens around a message that is not here, and leads back to the newest",
        not_in: &[],
    },
    Scenario {
        id: "gap",
        promise: "After a long absence the newest is shown, and one gap that can be filled",
        not_in: &[],
    },
    Scenario {
        id: "thread",
        promise: "A thread opens as a timeline of its own, and new replies appear in it",
        not_in: &[],
    },
    Scenario {
        id: "own-authority",
        promise: "Chat goes over TLS by an authority of one's own, and by no other",
        not_in: &[],
    },
    Scenario {
        id: "invalid-utf16",
        promise: "Text that is no valid Unicode is refused or mended, and breaks nothing",
        not_in: &[(Language::Rust, "text is always valid Unicode")],
    },
];
