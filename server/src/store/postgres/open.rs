//! What is looked at before a server runs on a database, and what is said when it cannot.

use tokio_postgres::config::Host;
use tokio_postgres::{Client, Config};

use super::connect::{Db, TAKE_ROOM, said};
use super::migrations;
use crate::clock;
use crate::health::Database;
use crate::store::StoreError;
use crate::tls;

/// How far the clocks of a server and of its database may be apart, in ms: what NTP keeps is a hundredth of it.
const CLOCK_MOST: i64 = 2_000;

/// The oldest PostgreSQL that is tested against.
const OLDEST: i32 = 150_000;

/// Why a database cannot be used. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error("--postgres-url cannot be used: {0}")]
    Url(String),
    #[error(
        "PostgreSQL cannot be reached at {at}: {reason}; start it, or give its address with \
         --postgres-url"
    )]
    Unreachable { at: String, reason: String },
    #[error(
        "PostgreSQL at {at} refuses the connection: {reason}; check the user, the password and the \
         database in --postgres-url"
    )]
    Refused { at: String, reason: String },
    #[error(
        "the certificate of PostgreSQL at {at} is not trusted: {reason}; name the file of the authority that signs it, in \
         PEM, as sslrootcert in --postgres-url, and the host as its certificate does"
    )]
    Untrusted { at: String, reason: String },
    #[error("this is PostgreSQL {found}, and {known} or newer is needed: upgrade it")]
    TooOld { found: String, known: i32 },
    #[error(
        "the database keeps its texts as {0}: make one with `CREATE DATABASE ... ENCODING 'UTF8'`"
    )]
    Encoding(String),
    #[error(
        "the database has no tables of Tidewire: run `tidewire-server migrate --postgres-url ...` \
         once"
    )]
    Empty,
    #[error(
        "the database is at version {found}, this server needs {known}: run `tidewire-server migrate \
         --postgres-url ...`, which goes on where it stopped"
    )]
    Older { found: usize, known: usize },
    #[error(
        "the database was brought to version {found} by a newer server, this one knows {known}: run \
         that newer version"
    )]
    Newer { found: usize, known: usize },
    #[error(
        "another `tidewire-server migrate` has been running for a minute: wait for it, or look into \
         pg_stat_activity for what holds it up"
    )]
    Migrating,
    #[error(
        "a step of the migration failed and was undone: {0}; remove the cause and run `migrate` \
         again"
    )]
    Migration(String),
    #[error(
        "the database cannot be written to: it is a standby, or read-only; give the primary with \
         --postgres-url (a standby goes to --postgres-read-url)"
    )]
    ReadOnly,
    #[error("the database server's disk is full: make room there ({0})")]
    Full(String),
    #[error(
        "this server signs with another secret than the others on this database, whose tokens and \
         cursors it would refuse: give all of them the same file with --secret-file"
    )]
    OtherSecret,
    #[error(
        "another server with the instance id `{0}` runs on this database: give each its own with \
         --instance-id, or none"
    )]
    SameInstance(String),
    #[error(
        "servers run on this database, and would go on in the old epoch: stop all of them first, and \
         wait until PostgreSQL has noticed"
    )]
    InUse,
    #[error(
        "a server or another import runs on the database: stop it first, and wait until PostgreSQL has \
         noticed"
    )]
    ImportInUse,
    #[error(
        "the database is not empty, there are rows in `{table}`: make an empty one with `createdb -E UTF8 \
         ...` and give it with --postgres-url"
    )]
    NotEmpty { table: String },
    #[error("PostgreSQL does not take an import: {0}")]
    Import(String),
    #[error("--postgres-read-url is another database than --postgres-url: its epoch differs")]
    OtherEpoch,
    #[error("PostgreSQL does not do what it was asked at the start: {0}")]
    Other(String),
}

/// Where a configuration leads, without user and password.
pub(super) fn place(config: &Config) -> String {
    let host = match config.get_hosts().first() {
        Some(Host::Tcp(name)) => name.clone(),
        #[cfg(unix)]
        Some(Host::Unix(path)) => path.display().to_string(),
        None => "?".into(),
    };
    let port = config.get_ports().first().copied().unwrap_or(5432);
    format!("{host}:{port}/{}", config.get_dbname().unwrap_or(""))
}

/// Why no connection came about.
pub(super) fn reached(config: &Config, error: &tokio_postgres::Error) -> OpenError {
    let (at, reason) = (place(config), said(error));
    match error.code().map(tokio_postgres::error::SqlState::code) {
        Some(code) if code.starts_with("28") || code.starts_with("3D") => {
            OpenError::Refused { at, reason }
        }
        None if tls::distrusts(error) => OpenError::Untrusted { at, reason },
        Some(_) | None => OpenError::Unreachable { at, reason },
    }
}

fn other(error: tokio_postgres::Error) -> OpenError {
    match error.code().map(tokio_postgres::error::SqlState::code) {
        Some("53100") => OpenError::Full(said(&error)),
        Some("25006") => OpenError::ReadOnly,
        _ => OpenError::Other(said(&error)),
    }
}

/// Whether the server is one that is known to work.
pub(super) async fn check_server(client: &Client) -> Result<(), OpenError> {
    let row = client
        .query_one(
            "SELECT current_setting('server_version_num')::integer, current_setting('server_version'),
                 current_setting('server_encoding')",
            &[],
        )
        .await
        .map_err(other)?;
    if row.get::<_, i32>(0) < OLDEST {
        return Err(OpenError::TooOld { found: row.get(1), known: OLDEST / 10_000 });
    }
    let encoding: String = row.get(2);
    if encoding != "UTF8" {
        return Err(OpenError::Encoding(encoding));
    }
    Ok(())
}

/// Whether a database can be served from. Gives its epoch. `secret` is a digest of what this server
/// signs with: the first one to come leaves it there.
pub(super) async fn check(client: &Client, secret: &[u8]) -> Result<String, OpenError> {
    check_server(client).await?;
    let known = migrations::known();
    match migrations::version(client).await.map_err(other)? {
        None => return Err(OpenError::Empty),
        Some(0) => return Err(OpenError::Empty),
        Some(found) if found < known => return Err(OpenError::Older { found, known }),
        Some(found) if found > known => return Err(OpenError::Newer { found, known }),
        Some(_) => {}
    }
    let careless = client
        .query_one(
            "SELECT current_setting('synchronous_commit') = 'off' OR NOT current_setting('fsync')::boolean",
            &[],
        )
        .await
        .map_err(other)?;
    if careless.get(0) {
        tracing::warn!(
            "PostgreSQL does not wait for its disk (synchronous_commit or fsync is off): a crash of it \
             loses what was answered, and clients never hear of that"
        );
    }
    let theirs = client
        .query_one("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint", &[])
        .await
        .map_err(other)?
        .get(0);
    if let Some(told) = clocks_differ(clock::now_ms(), theirs) {
        tracing::warn!("{told}");
    }
    // A write, because a read-only database shows by nothing else.
    let row = client
        .query_one(
            "UPDATE meta SET started_at = $1, secret = coalesce(secret, $2) RETURNING epoch, secret",
            &[&clock::now_ms(), &secret],
        )
        .await
        .map_err(other)?;
    has_room(client).await?;
    if row.get::<_, &[u8]>(1) != secret {
        return Err(OpenError::OtherSecret);
    }
    Ok(row.get(0))
}

/// Whether there is room for more than changes in place.
async fn has_room(client: &Client) -> Result<(), OpenError> {
    client.batch_execute("BEGIN").await.map_err(other)?;
    let taken = client.batch_execute(TAKE_ROOM).await.map_err(other);
    client.batch_execute("ROLLBACK").await.map_err(other)?;
    match taken {
        Err(full @ OpenError::Full(_)) => Err(full),
        // Who may not make temporary tables may all the same serve.
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Whether a database can still be served from: read, of a version that is new enough, and written. A newer version
/// is none of a fault: `migrate` comes before the servers that need it.
pub(super) async fn probe(db: &Db) -> Database {
    let Ok(session) = db.plain().await else { return Database::Unreachable };
    let version = match session.one("SELECT version FROM meta", &[]).await {
        Ok(row) => row.get::<_, i32>(0),
        Err(StoreError::Failed(_)) => return Database::NotMigrated,
        Err(_) => return Database::Unreachable,
    };
    if usize::try_from(version).unwrap_or(0) < migrations::known() {
        return Database::NotMigrated;
    }
    let touch = "UPDATE meta SET started_at = started_at";
    let written = session.execute(touch, &[]).await;
    drop(session);
    if written.is_ok() && db.has_room().await { Database::Ok } else { Database::NotWritable }
}

/// What is said where this machine's clock and the one of PostgreSQL differ by too much, in ms. Order does not
/// depend on clocks, so that a server runs all the same.
fn clocks_differ(ours: i64, theirs: i64) -> Option<String> {
    let by = ours.saturating_sub(theirs);
    let side = if by < 0 { "behind" } else { "ahead of" };
    (by.abs() > CLOCK_MOST).then(|| {
        format!(
            "the clock of this machine is {} s {side} PostgreSQL's: messages show wrong times, and tokens and \
             signed addresses end too late or too early; set both by NTP",
            by.abs() / 1_000
        )
    })
}

/// Takes the name of an instance for as long as the connection lives: a server that is killed gives it
/// back with it.
pub(super) async fn take_name(client: &Client, name: &str) -> Result<(), OpenError> {
    let sql = "SELECT pg_try_advisory_lock(hashtextextended('tidewire instance ' || $1, 0))";
    let row = client.query_one(sql, &[&name]).await.map_err(other)?;
    if row.get(0) { Ok(()) } else { Err(OpenError::SameInstance(name.into())) }
}

/// Held by every server that runs, together. Any number that nobody else takes: "tideserv" in ASCII.
const SERVES: i64 = 0x7469_6465_7365_7276;

/// Says for as long as the connection lives that a server runs on the database.
pub(super) async fn serve(client: &Client) -> Result<(), OpenError> {
    client.execute("SELECT pg_advisory_lock_shared($1)", &[&SERVES]).await.map_err(other)?;
    Ok(())
}

/// Makes sure, for as long as the connection lives, that no server runs on the database.
pub(super) async fn is_unused(client: &Client) -> Result<(), OpenError> {
    let row = client.query_one("SELECT pg_try_advisory_lock($1)", &[&SERVES]).await;
    if row.map_err(other)?.get(0) { Ok(()) } else { Err(OpenError::InUse) }
}

/// The epoch of a database that is only read.
pub(super) async fn epoch_of(client: &Client) -> Result<String, OpenError> {
    Ok(client.query_one("SELECT epoch FROM meta", &[]).await.map_err(other)?.get(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_behind_or_ahead_is_told_with_what_to_do() {
        assert_eq!(clocks_differ(1_000_000, 1_001_500), None);
        let told = clocks_differ(1_000_000, 1_090_000).unwrap();
        assert!(told.contains("90 s behind") && told.contains("NTP"), "{told}");
        assert!(clocks_differ(1_090_000, 1_000_000).unwrap().contains("90 s ahead of"));
    }
}
