//! A client's files with much in them: made by the SDK, filled by bulk SQL through its own tables.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, params};
use tidewire::{Client, Mode, UserId};

use super::Error;
use super::wire::{USER, event, room};

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
        let mut put_event = bulk.prepare(
            "INSERT INTO events (rk, seq, id, sender, at, kind, content)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?;
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
            for member in 0..10 {
                put_receipt.execute(params![
                    rk,
                    format!("user-{member:02}"),
                    i64::try_from(head)?
                ])?;
            }
            for seq in *from..=head {
                let event = event(number, seq);
                let id = uuid::Uuid::parse_str(event["id"].as_str().unwrap_or_default())?;
                put_event.execute(params![
                    rk,
                    i64::try_from(seq)?,
                    id.as_bytes(),
                    event["sender"].as_str(),
                    event["at"].as_i64(),
                    event["kind"].as_str(),
                    event["content"].to_string(),
                ])?;
            }
        }
        let put_meta = "INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)";
        bulk.execute(put_meta, ["cursor", "c0"])?;
        bulk.execute(put_meta, ["epoch", "e"])?;
    }
    bulk.commit()?;
    Ok(())
}

/// A bare connection with the pragmas that the SDK's has.
pub(super) fn bare(cache: &Path) -> Result<Connection, Error> {
    let connection = Connection::open(cache)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "cache_size", -512)?;
    Ok(connection)
}
