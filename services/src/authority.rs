//! An authority of one's own, and what it signs.

#![allow(clippy::expect_used, reason = "for tests, in which a panic is the report")]

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// Signs certificates for this machine.
#[derive(Debug)]
pub struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// A new one, which nobody trusts yet.
    ///
    /// # Panics
    /// Where no key can be made.
    pub fn new(name: &str) -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let pem = params.self_signed(&key).expect("a certificate").pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    /// Its own certificate: what has to be trusted.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Writes a certificate for 127.0.0.1 and its key into a folder, over what is there. Gives where they are.
    ///
    /// # Panics
    /// Where that fails.
    pub fn issue(&self, folder: &Path) -> (PathBuf, PathBuf) {
        let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
        let params = CertificateParams::new(names).expect("names");
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let files = (folder.join("cert.pem"), folder.join("key.pem"));
        std::fs::write(&files.0, certificate.pem()).expect("a file");
        std::fs::write(&files.1, key.serialize_pem()).expect("a file");
        files
    }
}
