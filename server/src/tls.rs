//! TLS at the public address: a certificate and its key from files, which are read anew when they change.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{RootCertStore, ServerConfig};
use sha2::{Digest, Sha256};
use tokio_rustls::TlsAcceptor;

use crate::stop::Stop;

/// The authorities in a PEM file. Says of what is wrong with it what to do.
pub(crate) fn roots_of(file: &Path) -> Result<RootCertStore, String> {
    let failed =
        |reason: String| format!("{}: {reason}; give a PEM file of authorities", file.display());
    let mut roots = RootCertStore::empty();
    let pem = std::fs::read(file).map_err(|error| failed(error.to_string()))?;
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| failed(error.to_string()))?;
        roots.add(certificate).map_err(|error| failed(error.to_string()))?;
    }
    match roots.is_empty() {
        true => Err(failed("it holds no certificate".into())),
        false => Ok(roots),
    }
}

/// Whether this is, or was caused by, a certificate that is not trusted: that does not pass by itself.
pub(crate) fn distrusts(error: &(dyn Error + 'static)) -> bool {
    let of_socket = |error: &std::io::Error| error.get_ref().is_some_and(|inner| distrusts(inner));
    if let Some(error) = error.downcast_ref::<rustls::Error>() {
        return matches!(error, rustls::Error::InvalidCertificate(_));
    }
    if let Some(shared) = error.downcast_ref::<Arc<dyn Error + Send + Sync>>() {
        return distrusts(shared.as_ref());
    }
    error.downcast_ref().is_some_and(of_socket) || error.source().is_some_and(distrusts)
}

/// How often the files are looked at: they are some KB, and were renewed days before they had to be.
const LOOK: Duration = Duration::from_secs(5);

/// Where a certificate and its key lie.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The certificate of the server and those by which it is signed, the server's own first, as PEM.
    pub certificate: PathBuf,
    /// The private key, as PEM (PKCS#8, PKCS#1 or SEC1), without a password.
    pub key: PathBuf,
}

/// What new connections are greeted with.
pub(crate) struct Tls {
    files: TlsFiles,
    // A std mutex: nothing awaits while it is held.
    current: Mutex<Current>,
}

struct Current {
    config: Arc<ServerConfig>,
    /// What was read last, whether or not it was good: what is wrong is said once.
    seen: [u8; 32],
}

/// The two files.
struct Read {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl Read {
    fn of(files: &TlsFiles) -> Result<Self, String> {
        let read = |path: &Path, flag: &str| {
            let failed = |error| {
                format!(
                    "{flag} {}: {error}; give a PEM file that this user may read",
                    path.display()
                )
            };
            std::fs::read(path).map_err(failed)
        };
        let certificate = read(&files.certificate, "--tls-cert")?;
        Ok(Self { certificate, key: read(&files.key, "--tls-key")? })
    }

    fn config(&self, files: &TlsFiles) -> Result<ServerConfig, String> {
        let (certificate, key) = (files.certificate.display(), files.key.display());
        let chain: Result<Vec<_>, pem::Error> =
            CertificateDer::pem_slice_iter(&self.certificate).collect();
        let chain = match chain {
            Ok(chain) if !chain.is_empty() => chain,
            Ok(_) => {
                return Err(format!(
                    "--tls-cert {certificate} holds no certificate; give the chain as PEM, the server's own first"
                ));
            }
            Err(error) => return Err(format!("--tls-cert {certificate} is no PEM: {error}")),
        };
        let key_read = PrivateKeyDer::from_pem_slice(&self.key).map_err(|error| {
            format!(
                "--tls-key {key} holds no private key ({error}); give one as PEM, without a password"
            )
        })?;
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_no_client_auth()
            .with_single_cert(chain, key_read)
            .map_err(|error| match error {
                rustls::Error::InconsistentKeys(_) => {
                    format!("--tls-key {key} does not belong to the certificate in {certificate}")
                }
                other => format!("--tls-cert {certificate} and --tls-key {key}: {other}"),
            })?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        // Whoever comes back after a restart of his own is spared half of the handshake, and no list of them is kept.
        config.ticketer = ring::Ticketer::new().map_err(|error| error.to_string())?;
        Ok(config)
    }

    fn digest(&self) -> [u8; 32] {
        let lengths = self.certificate.len().to_le_bytes();
        let digest = Sha256::new_with_prefix(lengths).chain_update(&self.certificate);
        digest.chain_update(&self.key).finalize().into()
    }
}

impl Tls {
    /// Reads the files. Waits for the disk. Gives what is wrong with them and what to do.
    pub(crate) fn open(files: TlsFiles) -> Result<Self, String> {
        let read = Read::of(&files)?;
        let current = Current { config: Arc::new(read.config(&files)?), seen: read.digest() };
        Ok(Self { files, current: Mutex::new(current) })
    }

    /// What greets a connection.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        TlsAcceptor::from(current.config.clone())
    }

    /// Reads the files again. What cannot be used changes nothing: the one before goes on. Waits for the disk.
    pub(crate) fn read_again(&self) {
        let read = Read::of(&self.files);
        let seen = match &read {
            Ok(read) => read.digest(),
            Err(error) => Sha256::digest(error).into(),
        };
        if self.current.lock().unwrap_or_else(PoisonError::into_inner).seen == seen {
            return;
        }
        let config = read.and_then(|read| read.config(&self.files));
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        current.seen = seen;
        match config {
            Ok(config) => {
                current.config = Arc::new(config);
                tracing::info!("the certificate was read anew: new connections get it");
            }
            Err(error) => {
                tracing::warn!(%error, "the certificate before this one goes on to be used")
            }
        }
    }
}

/// Looks at the files again and again.
pub(crate) async fn keep(tls: Arc<Tls>, mut stop: Stop) {
    loop {
        tokio::select! {
            () = stop.requested() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
        let tls = tls.clone();
        if let Err(error) = tokio::task::spawn_blocking(move || tls.read_again()).await {
            tracing::error!(%error, "the certificate could not be looked at");
        }
    }
}
