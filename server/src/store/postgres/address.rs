//! What a PostgreSQL URL says: where the database is, and by which authorities it is believed to be it.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use rustls::RootCertStore;
use tokio_postgres::Config;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::tls;

/// How long a connection may take to open.
pub(super) const ACQUIRE: Duration = Duration::from_secs(2);
/// What every connection sets. Statements end after 10 s. Our queries are small: compiling one takes
/// longer than to run it. What they look up lies in memory or on an SSD, not on a disk that has to turn, for which
/// PostgreSQL would rather read a whole table.
const OPTIONS: &str = "-c statement_timeout=10s -c idle_in_transaction_session_timeout=30s -c jit=off \
     -c random_page_cost=1.1 -c default_transaction_isolation=read\\ committed";
/// A server that does not answer at all is given up after this.
const SILENCE: Duration = Duration::from_secs(10);

/// Where a database is, and how TLS is spoken with it.
#[derive(Clone)]
pub(super) struct Address {
    pub(super) config: Config,
    pub(super) tls: MakeRustlsConnect,
}

impl Address {
    /// Reads a URL, or a list of settings. Gives why it is none, without what it holds.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (text, root_file) = without_root_file(text);
        // The text may hold a password: what the parser says of it does not.
        let mut config = Config::from_str(&text).map_err(|error| error.to_string())?;
        if config.get_hosts().is_empty() {
            return Err("it names no host: postgres://USER:PASSWORD@HOST:5432/DATABASE".into());
        }
        let options = match config.get_options() {
            Some(own) => format!("{OPTIONS} {own}"),
            None => OPTIONS.into(),
        };
        config
            .options(options)
            .connect_timeout(ACQUIRE)
            .keepalives_idle(SILENCE)
            .tcp_user_timeout(SILENCE);
        if config.get_application_name().is_none() {
            config.application_name("tidewire-server");
        }
        let roots = match root_file {
            Some(file) => {
                tls::roots_of(&file).map_err(|reason| format!("sslrootcert: {reason}"))?
            }
            None => webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect(),
        };
        Ok(Self { config, tls: speaker(roots)? })
    }
}

/// TLS as everywhere in this server: rustls. Used as `sslmode` of the URL says.
fn speaker(roots: RootCertStore) -> Result<MakeRustlsConnect, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    Ok(MakeRustlsConnect::new(config.with_root_certificates(roots).with_no_client_auth()))
}

/// A URL without what libpq knows and its parser here does not: the file of `sslrootcert`, which is given beside. Where
/// TLS is spoken, certificate and name are always checked: `verify-full` and `verify-ca` are what is called `require`.
fn without_root_file(text: &str) -> (String, Option<PathBuf>) {
    let Some((before, query)) = text.split_once('?') else { return (text.into(), None) };
    let mut file = None;
    let mut kept = Vec::new();
    for parameter in query.split('&') {
        match parameter.split_once('=') {
            Some(("sslrootcert", path)) => file = Some(PathBuf::from(unescaped(path))),
            Some(("sslmode", "verify-full" | "verify-ca")) => kept.push("sslmode=require"),
            _ => kept.push(parameter),
        }
    }
    (format!("{before}?{}", kept.join("&")), file)
}

/// What `%2F` and its like stand for.
fn unescaped(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_the_file_of_its_authority_as_that_of_libpq_does() {
        let url = "postgres://u:p@h/d?sslmode=verify-full&sslrootcert=%2Fetc%2Fmy%20ca.pem&a=b";
        let (rest, file) = without_root_file(url);
        assert_eq!(rest, "postgres://u:p@h/d?sslmode=require&a=b");
        assert_eq!(file, Some(PathBuf::from("/etc/my ca.pem")));
        let plain = "postgres://u:p@h/d?sslmode=disable";
        assert_eq!(without_root_file(plain), (plain.into(), None));
        let settings = "host=h user=u";
        assert_eq!(without_root_file(settings), (settings.into(), None));
    }

    #[test]
    fn a_file_without_authorities_is_named_and_the_password_is_not() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let url = format!("postgres://u:word@h/d?sslrootcert={}", file.path().display());
        for (url, told) in [
            (url.as_str(), "holds no certificate"),
            ("postgres://u:word@h/d?sslrootcert=/nowhere", "/nowhere"),
        ] {
            let error = Address::parse(url).err().unwrap();
            assert!(error.contains("sslrootcert") && error.contains(told), "{error}");
            assert!(!error.contains("word"), "{error}");
        }
    }
}
