//! What is done to a database by a command of its own, while servers run on it or not.

use std::path::Path;

use tidewire_protocol::{Report, SecretText, UserId, check_password};

use crate::accounts::password;
use crate::auth::{Keys, Revocation};
use crate::server::{StartError, lock, secret_mark, unopened};
use crate::store::import::{self, ImportError};
use crate::store::postgres;

/// Brings the tables of a PostgreSQL database to this version, and says from which version to which: 0 is
/// an empty database. Whoever does so at the same time waits. Waits for the network.
///
/// # Errors
/// [`StartError::Postgres`], which says what to do.
pub async fn migrate(postgres_url: &str) -> Result<(usize, usize), StartError> {
    let migrated = postgres::migrate(postgres_url).await;
    migrated.map_err(|error| StartError::Postgres { reason: error.to_string() })
}

/// Gives the log in a PostgreSQL database another epoch, after it was restored to an earlier moment: clients
/// then drop what they have cached, and keep what they have to send. No server may run on it. Waits for the
/// network.
///
/// # Errors
/// [`StartError::Postgres`], which says what to do.
pub async fn renew_epoch(postgres_url: &str) -> Result<(), StartError> {
    let renewed = postgres::renew_epoch(postgres_url).await;
    renewed.map_err(|error| StartError::Postgres { reason: error.to_string() })
}

/// Takes tokens back, in the PostgreSQL given or in the data folder, while servers run on it or not. They follow within
/// a second, and close what is open. Waits for the disk or the network.
///
/// # Errors
/// [`StartError`], which says what to do.
pub async fn revoke(
    data_dir: &Path,
    postgres_url: Option<&str>,
    revocation: &Revocation,
) -> Result<(), StartError> {
    if let Some(url) = postgres_url {
        let revoked = postgres::revoke_at(url, revocation).await;
        return revoked.map_err(|reason| StartError::Postgres { reason });
    }
    let path = data_dir.join("tidewire.db");
    let (file, revocation) = (path.clone(), revocation.clone());
    let revoking = move || crate::store::sqlite::revoke_at(&file, &revocation);
    let revoked = tokio::task::spawn_blocking(revoking).await;
    let revoked = revoked.unwrap_or_else(|error| Err(error.to_string()));
    revoked.map_err(|reason| StartError::Database { path, reason })
}

/// Sets another password for an account, or one that nobody knows, in the PostgreSQL given or in the data folder, while
/// servers run on it or not. All sessions of the user end within a second. Waits for the disk or the network, and some
/// 30 ms for the hash.
///
/// # Errors
/// [`StartError`], which says what to do; [`StartError::Accounts`] where the password may not be.
pub async fn set_password(
    data_dir: &Path,
    postgres_url: Option<&str>,
    user: &UserId,
    password: Option<SecretText>,
) -> Result<(), StartError> {
    let hashed = match &password {
        Some(password) => {
            check_password(password)
                .map_err(|error| StartError::Accounts { reason: error.to_string() })?;
            password::kept(password)
        }
        None => password::unknown(),
    };
    let hash = hashed.map_err(|reason| StartError::Accounts { reason })?;
    let set = if let Some(url) = postgres_url {
        let set = postgres::set_password_at(url, &hash, user).await;
        set.map_err(|reason| StartError::Postgres { reason })?
    } else {
        let path = data_dir.join("tidewire.db");
        if !path.is_file() {
            return Err(StartError::NoDatabase { path: data_dir.to_owned() });
        }
        let (file, user) = (path.clone(), user.clone());
        let setting = move || crate::store::sqlite::set_password_at(&file, &hash, &user);
        let set = tokio::task::spawn_blocking(setting).await;
        let set = set.unwrap_or_else(|error| Err(error.to_string()));
        set.map_err(|reason| StartError::Database { path, reason })?
    };
    if set { Ok(()) } else { Err(StartError::NoAccount { user: user.clone() }) }
}

/// All reports, the oldest first, of the PostgreSQL given or of the data folder, while servers run on it or not. Waits
/// for the disk or the network.
///
/// # Errors
/// [`StartError`], which says what to do.
pub async fn reports(
    data_dir: &Path,
    postgres_url: Option<&str>,
) -> Result<Vec<Report>, StartError> {
    if let Some(url) = postgres_url {
        let reports = postgres::reports_at(url).await;
        return reports.map_err(|reason| StartError::Postgres { reason });
    }
    let path = data_dir.join("tidewire.db");
    if !path.is_file() {
        return Err(StartError::NoDatabase { path: data_dir.to_owned() });
    }
    let file = path.clone();
    let reading = tokio::task::spawn_blocking(move || crate::store::sqlite::reports_at(&file));
    let reports = reading.await.unwrap_or_else(|error| Err(error.to_string()));
    reports.map_err(|reason| StartError::Database { path, reason })
}

/// Writes all that a data folder holds into an empty PostgreSQL database, whose tables are made if there are none, and
/// gives the number of rows of each table. The log begins another life there, so that clients bootstrap. Cut short it
/// leaves nothing behind. The folder stays as it is, but for the steps of newer versions that `serve` would take, too: its
/// files and its secret go on to be used. No server may run on either. Waits for the disk and the network.
///
/// # Errors
/// [`StartError`], which says what to do.
pub async fn import(
    data_dir: &Path,
    secret_file: Option<&Path>,
    postgres_url: &str,
) -> Result<Vec<(&'static str, u64)>, StartError> {
    let path = data_dir.join("tidewire.db");
    if !path.is_file() {
        return Err(StartError::NoDatabase { path: data_dir.to_owned() });
    }
    let lock = lock(data_dir)?;
    let keys = match secret_file {
        Some(file) => Some(Keys::load_file(file)?),
        // Without one, the first server that comes leaves its own.
        None if data_dir.join("secret.key").is_file() => Some(Keys::load_or_create(data_dir)?),
        None => None,
    };
    let mark = keys.as_ref().map(secret_mark);
    let imported = import::import(&path, postgres_url, mark.as_ref().map(AsRef::as_ref)).await;
    let imported = imported.map_err(|error| match error {
        ImportError::Source(error) => unopened(path, error),
        other => StartError::Postgres { reason: other.to_string() },
    });
    drop(lock);
    imported
}
