//! The schema, step by step: `tidewire-server migrate` takes the steps, `serve` only looks.

use tokio_postgres::{Client, NoTls};

use super::address::Address;
use super::connect::said;
use super::open::{OpenError, reached};
use crate::clock;

/// Each step runs once, in a transaction with the count. Never change one that was released; add the
/// next.
const STEPS: &[&str] = &[
    include_str!("migrations/0001.sql"),
    include_str!("migrations/0002.sql"),
    include_str!("migrations/0003.sql"),
    include_str!("migrations/0004.sql"),
    include_str!("migrations/0005.sql"),
    include_str!("migrations/0006.sql"),
    include_str!("migrations/0007.sql"),
];

/// Held by whoever migrates. Any number that nobody else takes: "tidewire" in ASCII.
const LOCK: i64 = 0x7469_6465_7769_7265;

/// How many steps this version knows.
pub(super) const fn known() -> usize {
    STEPS.len()
}

const META: &str = "CREATE TABLE IF NOT EXISTS meta(
    one boolean PRIMARY KEY DEFAULT true CHECK(one),
    version integer NOT NULL,
    epoch text NOT NULL,
    created_at bigint NOT NULL,
    started_at bigint NOT NULL DEFAULT 0,
    secret bytea
)";

/// A connection of its own, without the limits of those that serve.
pub(super) async fn connect(url: &str) -> Result<Client, OpenError> {
    let Address { config, tls } = Address::parse(url).map_err(OpenError::Url)?;
    let mut own = config.clone();
    own.options("-c statement_timeout=0 -c lock_timeout=60s");
    let lost = |error| reached(&config, &error);
    // The connection ends when the client is dropped.
    if matches!(config.get_ssl_mode(), tokio_postgres::config::SslMode::Disable) {
        let (client, connection) = own.connect(NoTls).await.map_err(lost)?;
        tokio::spawn(connection);
        return Ok(client);
    }
    let (client, connection) = own.connect(tls).await.map_err(lost)?;
    tokio::spawn(connection);
    Ok(client)
}

/// Takes the steps that a database has not taken yet, and says from which version to which. A new one
/// gets its epoch. Whoever comes while another migrates waits for up to a minute.
pub(crate) async fn migrate(url: &str) -> Result<(usize, usize), OpenError> {
    let mut client = connect(url).await?;
    super::open::check_server(&client).await?;
    let failed = |error: tokio_postgres::Error| OpenError::Migration(said(&error));
    client.execute("SELECT pg_advisory_lock($1)", &[&LOCK]).await.map_err(|error| {
        match error.code().map(tokio_postgres::error::SqlState::code) {
            Some("55P03") => OpenError::Migrating,
            _ => failed(error),
        }
    })?;
    client.batch_execute(META).await.map_err(failed)?;
    let found = version(&client).await.map_err(failed)?.unwrap_or(0);
    if found > known() {
        return Err(OpenError::Newer { found, known: known() });
    }
    for (done, step) in STEPS.iter().enumerate().skip(found) {
        let tx = client.transaction().await.map_err(failed)?;
        tx.batch_execute(step).await.map_err(failed)?;
        let version = i32::try_from(done + 1).unwrap_or(i32::MAX);
        let epoch = uuid::Uuid::now_v7().to_string();
        tx.execute(
            "INSERT INTO meta(version, epoch, created_at) VALUES($1, $2, $3)
             ON CONFLICT(one) DO UPDATE SET version = excluded.version",
            &[&version, &epoch, &clock::now_ms()],
        )
        .await
        .map_err(failed)?;
        tx.commit().await.map_err(failed)?;
    }
    Ok((found, known()))
}

/// Gives the log another epoch, after a restore: clients drop what they have of the life that was lost.
pub(crate) async fn renew_epoch(url: &str) -> Result<(), OpenError> {
    let client = connect(url).await?;
    super::open::is_unused(&client).await?;
    let failed = |error: tokio_postgres::Error| OpenError::Migration(said(&error));
    match version(&client).await.map_err(failed)? {
        None | Some(0) => return Err(OpenError::Empty),
        Some(found) if found > known() => {
            return Err(OpenError::Newer { found, known: known() });
        }
        Some(_) => {}
    }
    let epoch = uuid::Uuid::now_v7().to_string();
    client.execute("UPDATE meta SET epoch = $1", &[&epoch]).await.map_err(failed)?;
    Ok(())
}

/// How many steps a database has taken; none if it was never migrated.
pub(super) async fn version(client: &Client) -> Result<Option<usize>, tokio_postgres::Error> {
    let there: bool = client.query_one("SELECT to_regclass('meta') IS NOT NULL", &[]).await?.get(0);
    if !there {
        return Ok(None);
    }
    let row = client.query_opt("SELECT version FROM meta", &[]).await?;
    Ok(row.map(|row| usize::try_from(row.get::<_, i32>(0)).unwrap_or(0)))
}
