//! A client's files with much in them: made by the SDK, filled by bulk SQL through its own tables.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, Transaction, params};
use tidewire::{Client, Mode, UserId};
use tidewire_protocol::{Event, EventKind, MessageContent, index_text};

use super::Error;
use super::wire::{USER, message, room};

/// A client of the user in this folder that never polls by itself.
pub(super) async fn client(url: &str, data: &Path) -> Result<Client, Error> {
    let client = builder(url, data)?.open().await?;
    client.set_mode_ceiling(Mode::Polling);
    Ok(client)
}

pub(super) fn builder(url: &str, data: &Path) -> Result<tidewire::ClientBuilder, Error> {
    let quiet = std::time::Duration::from_secs(600);
    Ok(Client::builder(url, UserId::new(USER)?)
        .token("opaque")
        .data_dir(data)
        .polling_interval(quiet)
        .slow_polling_interval(quiet))
}

/// Where nobody answers.
pub(super) const NOWHERE: &str = "http://127.0.0.1:9";

/// The account's cache in a client's folder.
pub(super) fn cache_of(data: &Path) -> Result<PathBuf, Error> {
    let mut accounts = std::fs::read_dir(data)?;
    let account = accounts.next().ok_or("no account")??.path();
    Ok(account.join("tidewire.db"))
}

/// Makes the files of an account with these rooms: how many messages each has, and from which seq on
/// they are held.
pub(super) async fn make(url: &str, data: &Path, rooms: &[(u64, u64)]) -> Result<(), Error> {
    make_of(url, data, rooms, message).await
}

/// The same with other messages, by room and seq.
pub(super) async fn make_of(
    url: &str,
    data: &Path,
    rooms: &[(u64, u64)],
    message: fn(u64, u64) -> serde_json::Value,
) -> Result<(), Error> {
    client(NOWHERE, data).await?.close().await;
    // The account's folder is a hash of address and user: the other address has another one.
    if url != NOWHERE {
        std::fs::remove_dir_all(data)?;
        client(url, data).await?.close().await;
    }
    let mut file = Connection::open(cache_of(data)?)?;
    file.pragma_update(None, "synchronous", "OFF")?;
    let bulk = file.transaction()?;
    {
        let mut put_room = bulk.prepare(
            "INSERT INTO rooms (rk, id, state, head_seq, as_of, feed_seq) VALUES (?1, ?2, ?3, ?4, ?4, ?4)",
        )?;
        let mut put_held = bulk.prepare("INSERT INTO held (rk, start, end) VALUES (?1, ?2, ?3)")?;
        let mut put_receipt = bulk
            .prepare("INSERT INTO receipts (rk, user, delivered, read) VALUES (?1, ?2, ?3, ?3)")?;
        let mut index = Index::new();
        for (number, (count, from)) in (0u64..).zip(rooms) {
            let (rk, head) = (i64::try_from(number + 1)?, from + count - 1);
            let state = room(number, head, 1);
            let id = uuid::Uuid::parse_str(state["id"].as_str().unwrap_or_default())?;
            put_room.execute(params![
                rk,
                id.as_bytes(),
                state.to_string(),
                i64::try_from(head)?
            ])?;
            put_held.execute(params![rk, i64::try_from(*from)?, i64::try_from(head)?])?;
            let unread = unread(number);
            for member in 0..10 {
                let user = format!("user-{member:02}");
                put_receipt.execute(params![rk, user, i64::try_from(head)?])?;
            }
            put_receipt.execute(params![rk, USER, i64::try_from(head.saturating_sub(unread))?])?;
            for seq in *from..=head {
                put_event(&bulk, rk, &serde_json::from_value(message(number, seq))?, &mut index)?;
            }
        }
        put_index(&bulk, index)?;
        let put_meta = "INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)";
        bulk.execute(put_meta, ["cursor", "c0"])?;
        bulk.execute(put_meta, ["epoch", "e"])?;
    }
    bulk.commit()?;
    Ok(())
}

/// How many messages are unread: in one room of seven very many, else a few.
fn unread(room: u64) -> u64 {
    if room % 7 == 6 { 900 } else { room % 7 * 5 }
}

/// The rows of an event, as the SDK has them: the event itself, and what a message is found by.
pub(super) fn put_event(
    transaction: &Transaction<'_>,
    rk: i64,
    event: &Event,
    terms: &mut Index,
) -> Result<(), Error> {
    transaction
        .prepare_cached(
            "INSERT OR REPLACE INTO events (rk, seq, id, sender, at, kind, content)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            rk,
            i64::try_from(event.seq.get())?,
            event.id.uuid().as_bytes(),
            event.sender.as_str(),
            event.at,
            event.kind.as_str(),
            event.content.as_json(),
        ])?;
    if event.kind == EventKind::Message {
        let seq = i64::try_from(event.seq.get())?;
        let mut doc = doc_of(rk, seq, event.at);
        while terms.contains_key(&doc) {
            doc += 1;
        }
        let content: MessageContent = event.content.parse()?;
        terms.insert(doc, Terms { text: terms_of(rk, &content.text), new: Some((rk, seq)) });
    }
    Ok(())
}

/// What goes into the index at the end of a transaction, by number, so that it goes in in order.
pub(super) type Index = BTreeMap<i64, Terms>;

/// What one message is found by.
pub(super) struct Terms {
    pub(super) text: String,
    /// The message, if it was not in the index before.
    pub(super) new: Option<(i64, i64)>,
}

/// The number of a message in the index, as the SDK gives it: by time, and by seq within it.
pub(super) fn doc_of(rk: i64, seq: i64, at: i64) -> i64 {
    (at << 20) | ((seq & 0xfff) << 8) | (rk & 0xff)
}

pub(super) fn terms_of(rk: i64, text: &str) -> String {
    format!("{} \u{e000}{rk} \u{e001}0123456789abcdef", index_text(text))
}

pub(super) fn put_index(transaction: &Transaction<'_>, index: Index) -> Result<(), Error> {
    let mut docs =
        transaction.prepare_cached("INSERT INTO search_docs (doc, rk, seq) VALUES (?1, ?2, ?3)")?;
    let mut delete = transaction.prepare_cached("DELETE FROM search WHERE rowid = ?1")?;
    let mut insert =
        transaction.prepare_cached("INSERT INTO search (rowid, terms) VALUES (?1, ?2)")?;
    for (doc, Terms { text, new }) in index {
        match new {
            Some((rk, seq)) => docs.execute(params![doc, rk, seq])?,
            None => delete.execute([doc])?,
        };
        insert.execute(params![doc, text])?;
    }
    Ok(())
}

/// A bare connection with the pragmas that the SDK's has.
pub(super) fn bare(cache: &Path) -> Result<Connection, Error> {
    let connection = Connection::open(cache)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "cache_size", -512)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(connection)
}
