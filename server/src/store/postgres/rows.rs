//! What a transaction of events writes: columns of arrays, so that any number of rows is one statement.

use std::collections::{BTreeMap, BTreeSet};

use tidewire_protocol::{Content, Op, Seq, UploadId, UserId};
use uuid::Uuid;

use super::append::{count_by_shard, places, shard_of};
use super::connect::{Tx, int};
use super::read::RoomRow;
use crate::store::StoreError;
use crate::store::checked::STANDING;

pub(super) const EVENTS: &str =
    "INSERT INTO events(shard, ord, rk, seq, id, sender, at, kind, content, hash, root, metadata)
     SELECT * FROM unnest($1::smallint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::uuid[],
         $6::text[], $7::bigint[], $8::text[], $9::text[], $10::bytea[], $11::bigint[], $12::jsonb[])";
const ROOMS: &str = "UPDATE rooms r
     SET head_seq = u.seq, head_ord = u.ord, active_at = greatest(r.active_at, u.at)
     FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[]) u(rk, seq, ord, at)
     WHERE r.rk = u.rk";
const MENTIONS: &str = "INSERT INTO mentions(rk, user_id, seq)
     SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[])";
const REVISIONS: &str = "INSERT INTO revisions(rk, target, seq)
     SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[])";
const REPLIES: &str = "INSERT INTO replies(rk, root, seq, number)
     SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::integer[])";
const SEARCH: &str = "INSERT INTO search(rk, seq, terms)
     SELECT u.rk, u.seq, array_to_tsvector(string_to_array(u.terms, ' '))
     FROM unnest($1::bigint[], $2::bigint[], $3::text[]) WITH ORDINALITY u(rk, seq, terms, n)
     ORDER BY u.n";
const RENEW: &str = "UPDATE search s SET terms = array_to_tsvector(string_to_array(u.terms, ' '))
     FROM unnest($1::bigint[], $2::bigint[], $3::text[]) u(rk, seq, terms)
     WHERE s.rk = u.rk AND s.seq = u.seq";
const REACT: &str = "INSERT INTO reactions(rk, target, user_id, until, key, since)
     SELECT u.rk, u.target, u.user_id, $6::bigint, u.key, u.seq
     FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::bigint[])
          u(rk, target, user_id, key, seq)";
const UNREACT: &str = "UPDATE reactions r SET until = u.seq
     FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::bigint[])
          u(rk, target, user_id, key, seq)
     WHERE r.rk = u.rk AND r.target = u.target AND r.user_id = u.user_id AND r.key = u.key
       AND r.until = $6";
const END_COUNT: &str = "UPDATE reaction_counts c SET until = u.seq
     FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::bigint[]) u(rk, target, key, seq)
     WHERE c.rk = u.rk AND c.target = u.target AND c.key = u.key AND c.until = $5";
const COUNT: &str = "INSERT INTO reaction_counts(rk, target, until, key, since, first, users)
     SELECT u.rk, u.target, $7::bigint, u.key, u.seq, u.first, u.users
     FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::bigint[], $5::bigint[], $6::integer[])
          u(rk, target, key, seq, first, users)";
const LIST: &str = "INSERT INTO attachments(upload, rk, seq)
     SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::bigint[]) ON CONFLICT DO NOTHING";
const LISTED: &str = "UPDATE uploads SET idle_since = NULL WHERE id = ANY($1::uuid[])";
/// Who has written in slow rooms.
const PACE: &str = "INSERT INTO slow_writes(rk, user_id, at)
     SELECT u.rk, u.user_id, $3::bigint FROM unnest($1::bigint[], $2::text[]) u(rk, user_id)
     ON CONFLICT(rk, user_id) DO UPDATE SET at = excluded.at";
/// Messages were deleted: the files that no other lists go with them.
const UNLIST: &str = "WITH gone AS (
         DELETE FROM attachments a
         USING unnest($1::bigint[], $2::bigint[]) u(rk, seq)
         WHERE a.rk = u.rk AND a.seq = u.seq RETURNING a.upload, a.rk, a.seq)
     UPDATE uploads SET state = 2, idle_since = 0
     WHERE id IN (SELECT upload FROM gone) AND NOT EXISTS(
         SELECT 1 FROM attachments a WHERE a.upload = uploads.id AND NOT EXISTS(
             SELECT 1 FROM gone g WHERE g.upload = a.upload AND g.rk = a.rk AND g.seq = a.seq))";

/// What a transaction writes.
#[derive(Default)]
pub(super) struct Rows {
    shards: Vec<i16>,
    ords: Vec<i64>,
    rks: Vec<i64>,
    seqs: Vec<i64>,
    ids: Vec<Uuid>,
    senders: Vec<String>,
    at: Vec<i64>,
    kinds: Vec<String>,
    contents: Vec<String>,
    hashes: Vec<Vec<u8>>,
    roots: Vec<Option<i64>>,
    metadata: Vec<Option<serde_json::Value>>,
    mentions: (Vec<i64>, Vec<String>, Vec<i64>),
    revisions: (Vec<i64>, Vec<i64>, Vec<i64>),
    replies: (Vec<i64>, Vec<i64>, Vec<i64>, Vec<i32>),
    search: (Vec<i64>, Vec<i64>, Vec<String>),
    renewed: (Vec<i64>, Vec<i64>, Vec<String>),
    added: Reactions,
    removed: Reactions,
    ended: (Vec<i64>, Vec<i64>, Vec<String>, Vec<i64>),
    counted: Counts,
    listed: (Vec<Uuid>, Vec<i64>, Vec<i64>),
    unlisted: (Vec<i64>, Vec<i64>),
    /// By room and user.
    paced: BTreeSet<(i64, String)>,
}

#[derive(Default)]
struct Reactions {
    rks: Vec<i64>,
    targets: Vec<i64>,
    users: Vec<String>,
    keys: Vec<String>,
    seqs: Vec<i64>,
}

#[derive(Default)]
struct Counts {
    rks: Vec<i64>,
    targets: Vec<i64>,
    keys: Vec<String>,
    seqs: Vec<i64>,
    first: Vec<i64>,
    users: Vec<i32>,
}

impl Rows {
    pub(super) const STATEMENTS: &[&str] = &[
        EVENTS, ROOMS, MENTIONS, REVISIONS, REPLIES, SEARCH, RENEW, REACT, UNREACT, END_COUNT,
        COUNT, LIST, LISTED, UNLIST, PACE,
    ];

    pub(super) fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// How many places in the log of each shard it needs.
    pub(super) fn by_shard(&self) -> BTreeMap<usize, u64> {
        count_by_shard(&self.shards)
    }

    /// Gives the events their places.
    pub(super) fn number(&mut self, before: &BTreeMap<usize, u64>) {
        self.ords = places(&self.shards, before);
    }

    #[expect(clippy::too_many_arguments, reason = "the columns of an event")]
    pub(super) fn event(
        &mut self,
        row: &RoomRow,
        seq: Seq,
        sender: &UserId,
        Op { id, kind, content }: &Op,
        hash: &[u8; 32],
        root: Option<Seq>,
        now: i64,
    ) {
        self.shards.push(shard_of(row));
        self.rks.push(row.rk);
        self.seqs.push(int(seq.get()));
        self.ids.push(id.uuid());
        self.senders.push(sender.as_str().to_owned());
        self.at.push(now);
        self.kinds.push(kind.as_str().to_owned());
        self.contents.push(content.as_json().to_owned());
        self.hashes.push(hash.to_vec());
        self.roots.push(root.map(|root| int(root.get())));
        self.metadata.push(metadata_of(content));
    }

    pub(super) fn mention(&mut self, rk: i64, user: &UserId, seq: Seq) {
        self.mentions.0.push(rk);
        self.mentions.1.push(user.as_str().to_owned());
        self.mentions.2.push(int(seq.get()));
    }

    pub(super) fn revision(&mut self, rk: i64, target: Seq, seq: Seq) {
        self.revisions.0.push(rk);
        self.revisions.1.push(int(target.get()));
        self.revisions.2.push(int(seq.get()));
    }

    /// Numbered, so that the last one up to a seq says how many there are.
    pub(super) fn reply(&mut self, rk: i64, root: Seq, seq: Seq, number: i32) {
        self.replies.0.push(rk);
        self.replies.1.push(int(root.get()));
        self.replies.2.push(int(seq.get()));
        self.replies.3.push(number);
    }

    /// What a new message says. One that says nothing has an entry too, which an edit may fill.
    pub(super) fn search(&mut self, rk: i64, seq: Seq, terms: String) {
        self.search.0.push(rk);
        self.search.1.push(int(seq.get()));
        self.search.2.push(terms);
    }

    /// What a message says from now on.
    pub(super) fn renew(&mut self, rk: i64, seq: Seq, terms: String) {
        self.renewed.0.push(rk);
        self.renewed.1.push(int(seq.get()));
        self.renewed.2.push(terms);
    }

    /// `standing` is how many users have had the key, and since when it is there.
    #[expect(clippy::too_many_arguments, reason = "the columns of a reaction")]
    pub(super) fn reaction(
        &mut self,
        rk: i64,
        target: Seq,
        user: &UserId,
        key: &str,
        seq: Seq,
        standing: Option<(u32, Seq)>,
        removed: bool,
    ) {
        let (target, at) = (int(target.get()), int(seq.get()));
        let rows = if removed { &mut self.removed } else { &mut self.added };
        rows.rks.push(rk);
        rows.targets.push(target);
        rows.users.push(user.as_str().to_owned());
        rows.keys.push(key.to_owned());
        rows.seqs.push(at);
        if standing.is_some() {
            self.ended.0.push(rk);
            self.ended.1.push(target);
            self.ended.2.push(key.to_owned());
            self.ended.3.push(at);
        }
        let (users, first) = standing.unwrap_or((0, seq));
        let users = if removed { users.saturating_sub(1) } else { users.saturating_add(1) };
        if users > 0 {
            let counted = &mut self.counted;
            counted.rks.push(rk);
            counted.targets.push(target);
            counted.keys.push(key.to_owned());
            counted.seqs.push(at);
            counted.first.push(int(first.get()));
            counted.users.push(i32::try_from(users).unwrap_or(i32::MAX));
        }
    }

    pub(super) fn list(&mut self, upload: UploadId, rk: i64, seq: Seq) {
        self.listed.0.push(upload.uuid());
        self.listed.1.push(rk);
        self.listed.2.push(int(seq.get()));
    }

    pub(super) fn unlist(&mut self, rk: i64, seq: Seq) {
        self.unlisted.0.push(rk);
        self.unlisted.1.push(int(seq.get()));
    }

    /// A member writes in a slow room.
    pub(super) fn pace(&mut self, rk: i64, user: &UserId) {
        self.paced.insert((rk, user.as_str().to_owned()));
    }

    /// Whether the member writes in that room by this very transaction.
    pub(super) fn has_paced(&self, rk: i64, user: &UserId) -> bool {
        !self.paced.is_empty() && self.paced.contains(&(rk, user.as_str().to_owned()))
    }

    /// The rooms with their new heads.
    fn heads(&self) -> (Vec<i64>, Vec<i64>, Vec<i64>, Vec<i64>) {
        let mut heads = BTreeMap::new();
        for (((rk, seq), ord), at) in self.rks.iter().zip(&self.seqs).zip(&self.ords).zip(&self.at)
        {
            heads.insert(*rk, (*seq, *ord, *at));
        }
        let mut columns = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (rk, (seq, ord, at)) in heads {
            columns.0.push(rk);
            columns.1.push(seq);
            columns.2.push(ord);
            columns.3.push(at);
        }
        columns
    }

    /// Writes everything and commits, in one go.
    pub(super) async fn write(&self, tx: &Tx) -> Result<(), StoreError> {
        let heads = self.heads();
        let none = Ok(0);
        macro_rules! some {
            ($some:expr, $sql:expr, $params:expr) => {
                async {
                    match $some {
                        true => tx.execute($sql, $params).await,
                        false => Ok(0),
                    }
                }
            };
        }
        let (added, removed, counted) = (&self.added, &self.removed, &self.counted);
        let paced: (Vec<i64>, Vec<&str>) =
            self.paced.iter().map(|(rk, user)| (*rk, user.as_str())).unzip();
        let written = tokio::join!(
            biased;
            some!(true, EVENTS, &[
                &self.shards, &self.ords, &self.rks, &self.seqs, &self.ids, &self.senders, &self.at,
                &self.kinds, &self.contents, &self.hashes, &self.roots, &self.metadata,
            ]),
            async { tx.execute(ROOMS, &[&heads.0, &heads.1, &heads.2, &heads.3]).await },
            some!(!self.mentions.0.is_empty(), MENTIONS, &[
                &self.mentions.0, &self.mentions.1, &self.mentions.2,
            ]),
            some!(!self.search.0.is_empty(), SEARCH, &[
                &self.search.0, &self.search.1, &self.search.2,
            ]),
            some!(!self.revisions.0.is_empty(), REVISIONS, &[
                &self.revisions.0, &self.revisions.1, &self.revisions.2,
            ]),
            some!(!self.renewed.0.is_empty(), RENEW, &[
                &self.renewed.0, &self.renewed.1, &self.renewed.2,
            ]),
            some!(!self.replies.0.is_empty(), REPLIES, &[
                &self.replies.0, &self.replies.1, &self.replies.2, &self.replies.3,
            ]),
            some!(!added.rks.is_empty(), REACT, &[
                &added.rks, &added.targets, &added.users, &added.keys, &added.seqs, &STANDING,
            ]),
            some!(!removed.rks.is_empty(), UNREACT, &[
                &removed.rks, &removed.targets, &removed.users, &removed.keys, &removed.seqs,
                &STANDING,
            ]),
            some!(!self.ended.0.is_empty(), END_COUNT, &[
                &self.ended.0, &self.ended.1, &self.ended.2, &self.ended.3, &STANDING,
            ]),
            some!(!counted.rks.is_empty(), COUNT, &[
                &counted.rks, &counted.targets, &counted.keys, &counted.seqs, &counted.first,
                &counted.users, &STANDING,
            ]),
            some!(!self.listed.0.is_empty(), LIST, &[
                &self.listed.0, &self.listed.1, &self.listed.2,
            ]),
            some!(!self.listed.0.is_empty(), LISTED, &[&self.listed.0]),
            some!(!self.unlisted.0.is_empty(), UNLIST, &[&self.unlisted.0, &self.unlisted.1]),
            some!(!paced.0.is_empty(), PACE, &[&paced.0, &paced.1, &tx.now]),
            tx.send_commit(),
        );
        let (e, r, m, s, v, n, p, a, d, x, c, l, i, u, w, commit) = written;
        // The first that failed says why; those behind it only that the transaction is lost.
        for result in [none, e, r, m, s, v, n, p, a, d, x, c, l, i, u, w] {
            result?;
        }
        commit
    }
}

/// What a message carries for the app, as PostgreSQL can look into it: see the index on it.
pub(crate) fn metadata_of(content: &Content) -> Option<serde_json::Value> {
    #[derive(serde::Deserialize)]
    struct Carried {
        metadata: Option<serde_json::Value>,
    }
    let json = content.as_json();
    // Most carry none. `jsonb` takes no U+0000, and there is nothing to find by one.
    if !json.contains("\"metadata\"") || json.contains("\\u0000") {
        return None;
    }
    content.parse::<Carried>().ok()?.metadata
}
