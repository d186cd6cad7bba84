//! Every number that can be tuned, with its unit and where it comes from.

use std::time::Duration;

/// Rooms that are live at once in hybrid. From the design's table.
pub const MAX_CONCURRENT_ROOMS: usize = 5;

/// Rooms nearest to the eye that are kept in order: a screen full. From the design.
pub const MAX_WATCHED_ROOMS: usize = tidewire_protocol::limits::WATCHED_ROOMS;

/// In a burst, at most one timeline update in this time. A quiet room shows at once.
pub const MESSAGE_BUFFER_TIME: Duration = Duration::from_millis(1_000);

/// Messages within two [`MESSAGE_BUFFER_TIME`]s up to which a room counts as quiet. Ten a second
/// is about what an eye can follow.
pub const QUIET_MESSAGES: u32 = 20;

/// Longest silence of a client in the foreground: after 2.5 of them peers see it offline.
pub const PRESENCE_HEARTBEAT_INTERVAL: Duration = Duration::from_secs(30);

/// The same in the background, and how often the feed is polled there: jittered upward, to 1.2 of
/// it, so that the radio wakes at most 60 times an hour.
pub const BACKGROUND_HEARTBEAT_INTERVAL: Duration = Duration::from_secs(60);

/// How often the feed is polled in hybrid and polling; jittered downward, to 0.8 of it.
pub const POLLING_INTERVAL: Duration = Duration::from_secs(5);

/// The same on a 2G network.
pub const SLOW_POLLING_INTERVAL: Duration = Duration::from_secs(10);

/// Messages of one room kept in memory.
pub const MAX_MESSAGES_PER_ROOM: usize = 500;

/// Bytes of messages kept in memory, of all open timelines together: 30 of them with 500 messages of
/// 100 bytes are about 8 MB, so that nobody's rows go in daily use, and what is not reckoned fits
/// into the 30 MB that 30 open rooms may take. Of messages of 8 KiB it is about 2,900.
pub const MEMORY_BYTES: u64 = 24 * 1024 * 1024;

/// How long profiles and room metadata count as fresh. Messages never expire by time.
pub const CACHE_TTL: Duration = Duration::from_secs(300);

/// Time over which a crowd spreads a change of mode that audience or policy asks for, so that
/// 5,000 clients make about 500 changes a second instead of 5,000 at once.
pub const SPREAD: Duration = Duration::from_secs(10);

/// How long a socket outlives the app's way into the background: long enough for a glance at
/// another app, short enough for the system's patience (iOS grants about 5 s unasked).
pub const BACKGROUND_GRACE: Duration = Duration::from_secs(5);

/// Users online below which real-time is allowed. From the design's table.
pub const REAL_TIME_BELOW: u32 = 50;

/// Users online up to which hybrid is allowed. From the design's table.
pub const HYBRID_UP_TO: u32 = 500;

/// The way up opens at this share of the threshold down, so that a count that swings around it
/// does not switch everybody back and forth.
pub const UPWARD_SHARE: f64 = 0.8;

/// After the crowd's ceiling has turned around, the time before it may rise again: doubled with each
/// further turn. Three polls long at first; 10 min are what a day of swinging is allowed to cost.
pub const DWELL_FIRST: Duration = Duration::from_secs(15);
/// See [`DWELL_FIRST`].
pub const DWELL_MOST: Duration = Duration::from_secs(600);

/// Sockets in a row that failed after which none are to be had: then the mode is polling. With the
/// delays after failures that is about a quarter of a minute.
pub const SOCKET_FAILURES: u32 = 4;

/// Event streams in a row that did not open after which they do no better than sockets on this
/// network: each may have waited [`ANSWER_TIMEOUT`] behind a proxy that keeps answers back.
pub const STREAM_FAILURES: u32 = 2;

/// From then on, how often a socket is tried all the same: the time doubles up to the second of
/// these, and is jittered down to half. The same for event streams.
pub const PROBE_FIRST: Duration = Duration::from_secs(30);
/// See [`PROBE_FIRST`].
pub const PROBE_MOST: Duration = Duration::from_secs(600);

/// The last answers by whose time the way to the server is judged, and how few say nothing yet. In
/// polling 16 take 80 s.
pub const HEALTH_ANSWERS: usize = 16;
/// See [`HEALTH_ANSWERS`].
pub const HEALTH_LEAST: usize = 4;

/// How long an answer or a break says something of now.
pub const HEALTH_MEMORY: Duration = Duration::from_secs(120);

/// Answers slower than this mean one step down. From the design's table.
pub const SLOW_ANSWER: Duration = Duration::from_millis(1_000);

/// Breaks of the way within [`HEALTH_MEMORY`], each after something had come through, that mean one
/// step down: one is a lift, two are a bad street, three are the way itself.
pub const HEALTH_BREAKS: usize = 3;

/// After a step down for such a reason, the time until one up is tried: at least that, and twice the
/// last time with each turn (see [`DWELL_FIRST`]).
pub const HEALTH_PROBE: Duration = Duration::from_secs(30);

/// What the surroundings ask of the network (another socket, another greeting, a look at the feed)
/// is done at once, and not again for so long: a platform that tells of its network a thousand times
/// a second costs one request a second. A person's own acts do not wait for it.
pub const CALM: Duration = Duration::from_secs(1);

/// Operations that may wait in the outbox. At 300 bytes each about 3 MB; beyond that the app has
/// to hear `OutboxFull` rather than run out of memory.
pub const OUTBOX_CAPACITY: usize = 10_000;

/// Changes of messages that are not here, kept for each room until the message comes: the oldest go
/// first. At 150 bytes each 150 KB; one whose message came by a folded history is in it anyway.
pub const WAITING_CHANGES: usize = 1_000;

/// First and longest delay after a failure, before jitter. 25 s is the cap that Stream uses too.
pub const RETRY_FIRST: Duration = Duration::from_secs(1);
/// See [`RETRY_FIRST`].
pub const RETRY_MOST: Duration = Duration::from_secs(25);

/// Rooms whose operations are on their way over the socket at once: with a round trip of 50 ms more than
/// 300 requests a second, and far below the 256 frames that wait for a socket.
pub const SENDS_IN_FLIGHT: usize = 16;

/// The same by requests of their own, each of which may be a connection.
pub const SEND_REQUESTS_IN_FLIGHT: usize = 4;

/// Files that are uploaded at once, one part of each: after a cut so many parts go out again at most. A
/// second part of the same file would only fill the round trip between two of them, a tenth of the time
/// that a part of 1 MiB takes on 10 Mbit/s.
pub const UPLOADS_IN_FLIGHT: usize = 3;

/// Silence after which a part is given up: nothing of it was taken, or the store does not answer. A phone
/// in a tunnel is back within that, and a part as a whole may take as long as it takes.
pub const UPLOAD_SILENCE: Duration = Duration::from_secs(30);

/// Time for the server to check a whole file. From the protocol.
pub const COMPLETE_TIMEOUT: Duration = Duration::from_secs(60);

/// Bytes of a part in memory at once.
pub const UPLOAD_CHUNK: usize = 64 * 1024;

/// Least time between two updates of a timeline that only show how far uploads are: more often nobody
/// sees it.
pub const PROGRESS_PAUSE: Duration = Duration::from_millis(200);

/// How often the files of a message go up again, because the server has deleted them before it was sent:
/// it keeps them for a day.
pub const UPLOADS_AGAIN: u32 = 2;

/// The longest slot of the server's that is waited for: an hour. One beyond it is a mistake, and
/// must not keep a client away for good.
pub const SLOT_MOST: Duration = Duration::from_secs(3_600);

/// A socket that lived this long was no failure: the delays start anew.
pub const STABLE_AFTER: Duration = Duration::from_secs(60);

/// Silence after which using the network again counts as a wake-up. Radios leave their fast state
/// after a tail of some seconds (LTE about 10 s, Wi-Fi some 100 ms); 1 s tells a burst from the next
/// one, and is well below every interval here that is meant to let the radio sleep.
pub const RADIO_IDLE: Duration = Duration::from_secs(1);

/// Bytes that a read of the feed is reckoned to take until one has been measured: a `sync` that
/// brings nothing is about 400 bytes out and 200 back, headers not counted, and one event is 300.
pub const BUDGET_READ_BYTES: u64 = 1_000;

/// Time over which the bytes that a socket brings are measured, to tell what it would take for the
/// rest of the hour: long enough that one burst is not taken for the rule.
pub const BUDGET_MEASURE: Duration = Duration::from_secs(300);

/// Time for the answer to a frame that has one (`welcome`, `sent`, `synced`, `pong`). A phone's
/// radio takes up to 3 s to wake, a busy server some more.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Time for a whole HTTP request.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);

/// Time for a TCP connection and its TLS handshake.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Time for the app's token provider.
pub const TOKEN_TIMEOUT: Duration = Duration::from_secs(30);

/// Messages that a timeline opens with, and of one page when it loads older ones.
pub const TIMELINE_PAGE: usize = 50;

/// Transactions on their way to the disk before the socket is read no further. Each holds at most
/// one page: 8 × 256 KiB.
pub const COMMITS_IN_FLIGHT: usize = 8;

/// Batches that a timeline, or a list of rooms, keeps for a slow reader before it turns them into one reset.
pub const TIMELINE_QUEUE: usize = 32;

/// Bytes of messages in them: two pages of 50 messages of 8 KiB, one that is read and one behind it.
pub const TIMELINE_QUEUE_BYTES: usize = 1024 * 1024;

/// Pushed events, limited rooms and receipts after whose commit `credit` is sent: a quarter of the
/// server's 200, so that its pipe never runs dry.
pub const CREDIT_AFTER: usize = 50;

/// Pause between two frames of receipts on a socket: in a burst one receipt a second says as much as
/// one for each message.
pub const RECEIPT_PAUSE: Duration = Duration::from_secs(1);

/// A receipt that was told on a socket and has not come back by the feed for this long goes with the
/// next one again: several polls of hybrid.
pub const RECEIPT_AGAIN: Duration = Duration::from_secs(30);

/// Bytes of one recording. A busy hour in real-time is about 20 MB; what is looked for is mostly
/// within minutes.
pub const RECORDING_BYTES: u64 = 64 * 1024 * 1024;

/// Bytes of a recording that may wait for the disk. Beyond it the disk does not keep up, and the
/// recording ends: the chat must not wait for it.
pub const RECORDING_QUEUE: usize = 4 * 1024 * 1024;

/// How often the rooms that are watched for no other reason than that they are active are chosen
/// anew: a list that people scroll moves slowly, and each choice may cost a frame.
pub const WATCH_PAUSE: Duration = Duration::from_secs(30);

/// How long what is known of others holds without a word from the server: a reconnect and some polls
/// long, or 2.5 polls if those are slower. After that it is `Unknown`.
pub const PRESENCE_HOLDS: Duration = Duration::from_secs(30);

/// The end of typing, after the last keystroke.
pub const TYPING_SILENCE: Duration = Duration::from_secs(3);

/// Least time between two starts in one room, whatever happens in between.
pub const TYPING_PAUSE: Duration = Duration::from_secs(3);

/// A start is repeated after this while the user types on. With [`TYPING_SILENCE`] it is the 15 s for
/// which others believe it, so that it never lapses in between. Most messages are written in less:
/// they cost one frame.
pub const TYPING_AGAIN: Duration = Duration::from_secs(12);

/// Rows of a list of rooms that are told around what is visible, unless the app says otherwise:
/// three screens, so that scrolling finds the next one there.
pub const ROOM_LIST_WINDOW: usize = 100;

/// The same at most. At about 1 KB a row, 500 KB.
pub const ROOM_LIST_MOST: usize = 500;

/// Least time between two updates of a list of rooms. From the design's table.
pub const ROOM_LIST_PAUSE: Duration = Duration::from_millis(100);

/// Rooms at the top of what a list shows whose newest page is fetched before they are opened. From
/// the design.
pub const PRELOADED_ROOMS: usize = 10;

/// How long after the start the disk is left to what somebody waits for: the first screen is there by then.
pub const FIRST_SCREEN: Duration = Duration::from_millis(100);

/// Rooms that may stand on the first screen, whose unread messages are counted before it: the pinned and the
/// newest ones, twice as many as a screen of 30 shows. Of all others it is only seen whether there are any:
/// with 1,000 rooms of which a seventh has 900 unread, all of them took 43 of 64 ms.
pub const FIRST_ROOMS: usize = 60;

/// How far: apps show `99+` from there on.
pub const TAIL_AT_START: u32 = 100;

/// Rooms whose unread messages are counted in one go: at most 1,000 each, about 5 ms of the disk's time.
pub const TAILS_AT_ONCE: usize = 16;

/// Rooms of which it is loaded in one go how far their members are, behind the first screen, which asks for its
/// messages meanwhile: of 1,000 rooms with six members each, all of them took 5 ms.
pub const RECEIPTS_AT_ONCE: usize = 64;

/// Pages that the server is asked for where one is shown: a round trip costs more than the 15 KB of another
/// page, and who scrolls up goes on scrolling.
pub const PAGES_AT_ONCE: usize = 2;

/// Before a count that is not exact is asked for again: an instance of the server that lags behind
/// the others is up to date by then.
pub const COUNT_AGAIN: Duration = Duration::from_secs(10);

/// How long it is gathered whose profiles are wanted, before they are asked for together: one frame of
/// a screen, in which an app draws all rows that it shows.
pub const PROFILES_GATHER: Duration = Duration::from_millis(20);

/// Events that one step takes into the search index of a database that had none: about 10 ms, so that
/// a person never waits for it.
pub const INDEX_STEP: usize = 500;

/// Threads that all clients of a process share for their stores. SQLite commits are bound by the
/// disk: a second thread lets one client's read pass while another syncs.
pub const STORE_THREADS: usize = 2;

/// Bytes that a write-ahead log keeps on disk once it has been written back: as many as 1,000 pages
/// of 4 KiB, after which SQLite writes it back.
pub const WAL_BYTES: u64 = 4 * 1024 * 1024;

/// Bytes of the cache's database in use from which on the oldest messages go: about a million of
/// them. From the design.
pub const CACHE_BYTES: u64 = 256 * 1024 * 1024;

/// Once messages go, they go until this share of the bound is in use, so that it is not crossed
/// again at once.
pub const CACHE_LOW: f64 = 0.9;

/// Events written after which the size of the cache is looked at again: about 128 KiB.
pub const CACHE_LOOK_AFTER: u64 = 500;

/// Messages that go in one transaction: some ms of writing, so that nobody waits for it.
pub const CACHE_DROP: u64 = 500;

/// A room that is opened again within this time is not noted again: the order of rooms by their last
/// opening needs no more.
pub const OPENED_AGAIN: Duration = Duration::from_secs(3_600);

/// Bytes of downloaded files that are kept: as many as of messages, about 1,000 pictures as phones send them,
/// and five of the largest files that a server takes unless told otherwise.
pub const FILE_CACHE_BYTES: u64 = 256 * 1024 * 1024;

/// Files that are fetched at once: enough that the start of one does not leave the way empty, few enough
/// that the first of a screen is soon there.
pub const DOWNLOADS_IN_FLIGHT: usize = 3;

/// How often what came may be another file than the declared one before it is given up: once is damage on
/// the way or on the disk, twice is the file.
pub const FILE_MISMATCHES: u32 = 2;

/// How long a part of a file stays that nobody goes on with. A server that has lost the rest by then
/// answers anew; who comes back after days has another network.
pub const FILE_PARTS_KEPT: Duration = Duration::from_secs(3 * 24 * 3_600);

/// Silence after which the way to a file counts as broken: what came is on disk, so that another try costs
/// little. Twice the time for a connection.
pub const FILE_SILENCE: Duration = Duration::from_secs(20);

/// Bytes that a picture may take decoded: one of 64 megapixels in RGB is 192 MB, more than the largest that
/// phones take by themselves (50), and what turns it takes as much again.
#[cfg(feature = "pictures")]
pub const PICTURE_BYTES: u64 = 200 * 1024 * 1024;

/// Bytes of a file that are written at once: few enough that a cut loses little, many enough that the disk
/// is not asked for each packet.
pub const FILE_CHUNK: usize = 256 * 1024;

/// Time after which what came is written although it is less: on 2G (5 KB/s) a file is seen to come, and who
/// is killed loses seconds of it at most.
pub const FILE_STEP: Duration = Duration::from_millis(500);
