//! TLS: rustls with ring, the roots of `webpki-roots`, and those that the app trusts beside them.

use std::fmt;
use std::sync::{Arc, OnceLock};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

/// Whose certificates a client believes.
#[derive(Clone, Default)]
pub(crate) struct Trust {
    /// With roots of the app's own; none for what all clients share.
    own: Option<Arc<ClientConfig>>,
}

impl Trust {
    /// Mozilla's roots, and those in `pem` beside them. Gives why it holds none.
    pub(crate) fn with(pem: &[u8]) -> Result<Self, String> {
        let mut roots = mozilla();
        let known = roots.len();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|error| error.to_string())?;
            roots.add(certificate).map_err(|error| error.to_string())?;
        }
        if roots.len() == known {
            return Err("it holds no certificate".into());
        }
        Ok(Self { own: Some(Arc::new(build(roots)?)) })
    }

    /// The configuration that HTTP and sockets share.
    pub(crate) fn config(&self) -> Result<Arc<ClientConfig>, String> {
        // One for all clients: it holds some hundred certificates.
        static SHARED: OnceLock<Result<Arc<ClientConfig>, String>> = OnceLock::new();
        match &self.own {
            Some(own) => Ok(own.clone()),
            None => SHARED.get_or_init(|| build(mozilla()).map(Arc::new)).clone(),
        }
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trust").field("own", &self.own.is_some()).finish()
    }
}

fn mozilla() -> RootCertStore {
    RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() }
}

fn build(roots: RootCertStore) -> Result<ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_certificate_is_refused() {
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for pem in ["", "nonsense", broken] {
            assert!(Trust::with(pem.as_bytes()).is_err(), "{pem}");
        }
        assert!(Trust::default().config().is_ok());
    }
}
