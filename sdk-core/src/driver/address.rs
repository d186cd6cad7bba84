//! The server's address, as the app gave it.

use super::tls::Trust;
use crate::error::Error;

/// `http` or `https`, a host, a port, and maybe a path before `/v1`.
#[derive(Debug, Clone)]
pub(crate) struct Address {
    pub(crate) tls: bool,
    /// By whom its certificate may be signed.
    pub(crate) trust: Trust,
    pub(crate) host: String,
    pub(crate) port: u16,
    prefix: String,
}

impl Address {
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let invalid =
            |reason: &str| Error::InvalidUrl { url: text.to_owned(), reason: reason.to_owned() };
        let url = reqwest::Url::parse(text).map_err(|error| invalid(&error.to_string()))?;
        let tls = match url.scheme() {
            "https" => true,
            "http" => false,
            _ => return Err(invalid("it begins with neither `https://` nor `http://`")),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(invalid("it holds a user name or a password: use a token"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(invalid("it has a query or a fragment"));
        }
        Ok(Self {
            tls,
            trust: Trust::default(),
            host: url.host_str().ok_or_else(|| invalid("it has no host"))?.to_owned(),
            port: url.port_or_known_default().ok_or_else(|| invalid("it has no port"))?,
            prefix: url.path().trim_end_matches('/').to_owned(),
        })
    }

    pub(crate) fn http(&self, path: &str) -> String {
        format!("{}{path}", self.base(if self.tls { "https" } else { "http" }))
    }

    pub(crate) fn socket(&self) -> String {
        format!("{}/v1/socket", self.base(if self.tls { "wss" } else { "ws" }))
    }

    /// The host as the resolver wants it: an IPv6 address without its brackets.
    pub(crate) fn resolvable_host(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    fn base(&self, scheme: &str) -> String {
        format!("{scheme}://{}:{}{}", self.host, self.port, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart_and_put_together() {
        let address = Address::parse("https://chat.example/base/").unwrap();
        assert_eq!(address.http("/v1/sync"), "https://chat.example:443/base/v1/sync");
        assert_eq!(address.socket(), "wss://chat.example:443/base/v1/socket");
        let address = Address::parse("http://[::1]:8080").unwrap();
        assert_eq!(address.resolvable_host(), "::1");
        assert_eq!(address.socket(), "ws://[::1]:8080/v1/socket");
    }

    #[test]
    fn what_is_no_server_address_is_refused_with_a_reason() {
        for bad in
            ["chat.example", "ftp://x", "http://u:p@x", "http://x/?q", "http://", "http://x#f"]
        {
            assert!(matches!(Address::parse(bad), Err(Error::InvalidUrl { .. })), "{bad}");
        }
    }
}
