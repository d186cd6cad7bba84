//! Every limit of the wire, with its unit and its reason. Both sides check them: the client so
//! that the app hears at once, the server because it trusts nobody.

/// Longest user id, in bytes.
pub const USER_ID_BYTES: usize = 128;

/// Longest text of a message, in bytes of UTF-8 (8 KiB).
pub const TEXT_BYTES: usize = 8 * 1024;

/// Largest `metadata` of a message, in bytes of its JSON (4 KiB).
pub const METADATA_BYTES: usize = 4 * 1024;

/// Most users that one message may mention.
pub const MENTIONS: usize = 50;

/// Longest key of a reaction, in bytes: the longest emoji of many parts has 35.
pub const REACTION_KEY_BYTES: usize = 64;

/// Most different keys of reactions on one message: what a bar of them can show, and a bound on
/// what one message drags along.
pub const REACTION_KEYS: usize = 20;

/// Most users whom a folded message names for each key of its reactions.
pub const REACTION_USERS: usize = 10;

/// Where the count of unread messages of one room stops. An app shows "99+"; a bound keeps the
/// list of rooms cheap for a reader who was away for a year.
pub const UNREAD_COUNT: u32 = 1_000;

/// Most files that one message may list: what one picks at once, and a bound on what it drags along.
pub const ATTACHMENTS: usize = 10;

/// Longest name of a file, in bytes of UTF-8: what common file systems take.
pub const FILE_NAME_BYTES: usize = 255;

/// Longest media type of a file, in bytes: what RFC 6838 allows for its subtype.
pub const CONTENT_TYPE_BYTES: usize = 127;

/// Longest key of a file, in bytes.
pub const FILE_KEY_BYTES: usize = 64;

/// Largest width and height of a picture, in pixels: above what any decoder takes.
pub const PICTURE_PIXELS: u32 = 100_000;

/// Largest preview of a file, in bytes of its Base64 (1 KiB: a ThumbHash has 40, a picture of 24 pixels
/// some hundred).
pub const PREVIEW_BYTES: usize = 1_024;

/// Largest file, unless the server states another limit, in bytes (50 MiB).
pub const UPLOAD_BYTES: u64 = 50 * 1024 * 1024;

/// Most parts of one upload. A server makes the parts of a larger file larger.
pub const UPLOAD_PARTS: u32 = 1_000;

/// Most parts whose addresses come in one answer: about 60 KiB of them.
pub const UPLOAD_PARTS_PER_ANSWER: usize = 100;

/// Largest content of one operation of any kind, in bytes of its JSON (32 KiB: a full text whose
/// JSON escapes some of it, full metadata, and as many files as may be with names and previews).
pub const CONTENT_BYTES: usize = 32 * 1024;

/// Longest event kind, in bytes.
pub const KIND_BYTES: usize = 64;

/// Longest room or profile name, in bytes of UTF-8.
pub const NAME_BYTES: usize = 256;

/// Shortest password of an account, in bytes of UTF-8: what NIST SP 800-63B asks for at least, in characters.
pub const PASSWORD_LEAST_BYTES: usize = 8;

/// Longest password of an account, in bytes of UTF-8 (1 KiB: any sentence, and nothing that takes time to hash).
pub const PASSWORD_BYTES: usize = 1_024;

/// Longest name of a device, in bytes of UTF-8.
pub const DEVICE_BYTES: usize = 128;

/// Most sessions of one account. One more ends the one that was used the longest ago.
pub const SESSIONS: usize = 50;

/// How long a refresh token may be repeated after it was used, in ms, whatever has happened since. Longer than two
/// processes of one app, or a request and its repeat, are apart; far below the life of a token.
pub const REFRESH_REPEAT_MS: u64 = 60_000;

/// Longest reason that somebody gives for a ban or a mute, in bytes of UTF-8 (1 KiB: a paragraph).
pub const REASON_BYTES: usize = 1024;

/// Longest time of a mute that ends by itself, in ms (366 days: a longer one is for good).
pub const MUTE_MS: u64 = 366 * 24 * 3_600 * 1_000;

/// Longest time from one message of a member to the next in slow mode, in ms (6 h: what waits longer is better
/// muted).
pub const SLOW_MODE_MS: u32 = 6 * 3_600 * 1_000;

/// Most users whom one user may block: the whole list goes with each change of it, 130 KiB of the longest ids.
pub const BLOCKED_USERS: usize = 1_000;

/// Longest avatar URL, in bytes.
pub const URL_BYTES: usize = 1024;

/// Most operations of one room in one request.
pub const OPS_PER_REQUEST: usize = 50;

/// Most bytes of one inbound frame or of one room's operations (64 KiB).
pub const FRAME_BYTES: usize = 64 * 1024;

/// Most bytes of one HTTP request body (256 KiB: a `sync` may carry operations of some rooms).
pub const BODY_BYTES: usize = 256 * 1024;

/// Most bytes of one decompressed answer that a client reads (8 MiB: 200 messages of 32 KiB, with room to
/// spare). More is treated as network trouble.
pub const ANSWER_BYTES: usize = 8 * 1024 * 1024;

/// Most events, limited rooms, receipts and settings of one page of the feed, together.
pub const PAGE_EVENTS: usize = 50;

/// A page also ends once its events have this many bytes (256 KiB).
pub const PAGE_BYTES: usize = 256 * 1024;

/// Longest wait of one `sync`, in ms. Below the 30 s after which common proxies cut an idle
/// request.
pub const WAIT_MS: u64 = 25_000;

/// Messages of one history page, unless asked otherwise.
pub const HISTORY_DEFAULT: usize = 100;

/// Most messages of one history page.
pub const HISTORY_MAX: usize = 200;

/// A page of history also ends once its messages have this many bytes (2 MiB): far below what a
/// client reads, whatever hangs on a message.
pub const HISTORY_BYTES: usize = 2 * 1024 * 1024;

/// Rooms of one page of the room list.
pub const ROOMS_PAGE: usize = 30;

/// Members of one page of the member list, and most that one request may add.
pub const MEMBERS_PAGE: usize = 100;

/// Reports of one page: each may hold a whole message.
pub const REPORTS_PAGE: usize = 50;

/// Most profiles of one batch.
pub const PROFILES_BATCH: usize = 100;

/// Longest query of a search, in bytes of UTF-8: some lines of text. All of its terms have to be
/// looked up.
pub const SEARCH_QUERY_BYTES: usize = 512;

/// Messages of one page of a search, unless asked otherwise.
pub const SEARCH_DEFAULT: usize = 20;

/// Most messages of one page of a search.
pub const SEARCH_MAX: usize = 50;

/// Most receipts of one `sync` or one `receipts` frame: about 6 KiB.
pub const RECEIPTS_PER_REQUEST: usize = 50;

/// Most members of a room in which members see each other's receipts. One message moves the
/// receipt of everybody else, and each of those is news for all: 10,000 rows at this size.
pub const RECEIPT_MEMBERS: u32 = 100;

/// Most rooms that one socket may have live. A client stays at
/// `max_concurrent_rooms` (5 by default); the server allows some more.
pub const LIVE_ROOMS: usize = 20;

/// Most rooms that one client may watch for presence and typing: what fits on a screen, with some
/// room to scroll.
pub const WATCHED_ROOMS: usize = 20;

/// Most members of a room in which watching brings presence and typing, unless the server states
/// less. One who comes or goes is news for all others, and so is one who types: 100 people who talk
/// make 10,000 such news where 10 make 100. Not above [`RECEIPT_MEMBERS`]: a client knows the
/// members of such a room by their receipts.
pub const EPHEMERAL_MEMBERS: u32 = 100;

/// Most entries of `typing` in one `sync` or one `ephemeral` frame: one for each watched room.
pub const TYPING_PER_REQUEST: usize = 20;

/// How long somebody is believed to type after the last word of it, in ms. A client repeats itself
/// every 12 s while its user types and tells the end after 3 s of silence, so that nothing flickers
/// in between. The end is told by the client, by the message or by the end of its socket: this time
/// is only for who is cut off without any of them.
pub const TYPING_TTL_MS: u64 = 15_000;

/// Most users of one `ephemeral` frame: about 40 KiB. More come in further frames.
pub const PRESENCE_PER_FRAME: usize = 500;

/// Events, limited rooms and receipts that the server pushes beyond the last credited cursor before it waits for `credit`.
pub const CREDIT_EVENTS: usize = 200;

/// How long the server remembers event ids, in ms (90 days). Told in `welcome` and `bootstrap`.
pub const IDEMPOTENCY_WINDOW_MS: u64 = 90 * 24 * 3_600 * 1_000;

/// How long a cursor stays valid, in ms (30 days). After that, `cursor_expired`.
pub const CURSOR_AGE_MS: u64 = 30 * 24 * 3_600 * 1_000;

/// Time from the opening of a socket to its `hello`, in ms. Then it is closed.
pub const HELLO_MS: u64 = 5_000;

/// The heartbeat interval that a client may declare, in ms: 1 s to 10 min. Out of it, the nearer
/// end counts.
pub const HEARTBEAT_MS: std::ops::RangeInclusive<u64> = 1_000..=600_000;
