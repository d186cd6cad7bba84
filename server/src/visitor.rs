//! Who is at the other end, by address: which one a proxy names, how many connections of it have not said yet whose
//! they are, and how often it came with a token that is none. Who has a good token is never held up by others behind
//! the same address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use ipnet::IpNet;
use tidewire_protocol::{ErrorCode, WireError};

use crate::app::App;

/// Failed attempts of one address that are told what is wrong, at once and a second: a wrong clock in an office
/// shows as what it is, guessing does not pay.
const FAILURES: f64 = 300.0;
const FAILURES_PER_SECOND: f64 = 1.0;
/// Addresses that are remembered before those that may try again are forgotten: about 1 MB.
const SWEEP_AT: usize = 10_000;

const X_FORWARDED_FOR: &str = "x-forwarded-for";

/// All addresses.
#[derive(Debug)]
pub(crate) struct Visitors {
    proxies: Vec<IpNet>,
    /// Most connections of one address that have not said whose they are.
    most: u32,
    // A std mutex: nothing awaits while it is held.
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    waiting: HashMap<IpAddr, u32>,
    failures: HashMap<IpAddr, Bucket>,
    sweep_at: usize,
}

#[derive(Debug)]
struct Bucket {
    left: f64,
    at: Instant,
}

impl Bucket {
    fn refill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.left = (self.left + passed * FAILURES_PER_SECOND).min(FAILURES);
        self.at = now;
    }
}

impl Visitors {
    pub(crate) fn new(proxies: Vec<IpNet>, most: u32) -> Arc<Self> {
        let known = Known { sweep_at: SWEEP_AT, ..Known::default() };
        Arc::new(Self { proxies, most, known: Mutex::new(known) })
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_proxy(&self, address: IpAddr) -> bool {
        self.proxies.iter().any(|proxies| proxies.contains(&address))
    }

    /// A connection came; `None` if its address has too many already that have said nothing.
    pub(crate) fn came(self: &Arc<Self>, peer: IpAddr) -> Option<Visitor> {
        let peer = peer.to_canonical();
        if self.is_proxy(peer) {
            return Some(Visitor { all: self.clone(), address: peer, waiting: None });
        }
        let place = network(peer);
        let mut known = self.lock();
        let waiting = known.waiting.entry(place).or_default();
        if *waiting >= self.most {
            return None;
        }
        *waiting += 1;
        drop(known);
        let waiting = Waiting { all: self.clone(), place, over: AtomicBool::new(false) };
        Some(Visitor { all: self.clone(), address: peer, waiting: Some(Arc::new(waiting)) })
    }
}

/// One address counts with all that its owner has: a network of version 6 is given out as a whole.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            let prefix = u128::from(address) & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from(prefix))
        }
    }
}

/// Counts a connection that has not said whose it is.
#[derive(Debug)]
struct Waiting {
    all: Arc<Visitors>,
    place: IpAddr,
    over: AtomicBool,
}

impl Waiting {
    fn end(&self) {
        if self.over.swap(true, Ordering::Relaxed) {
            return;
        }
        let mut known = self.all.lock();
        if let Some(waiting) = known.waiting.get_mut(&self.place) {
            *waiting = waiting.saturating_sub(1);
            if *waiting == 0 {
                known.waiting.remove(&self.place);
            }
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.end();
    }
}

/// Who is at the other end of a connection.
#[derive(Debug, Clone)]
pub(crate) struct Visitor {
    all: Arc<Visitors>,
    address: IpAddr,
    waiting: Option<Arc<Waiting>>,
}

impl Visitor {
    /// The same as a request tells it: behind a proxy that is trusted, the address that it names.
    fn of(&self, headers: &HeaderMap) -> Self {
        if !self.all.is_proxy(self.address) {
            return self.clone();
        }
        let named = headers.get_all(X_FORWARDED_FOR).iter().filter_map(|line| line.to_str().ok());
        let named = named.flat_map(|line| line.split(',')).map(str::trim);
        let mut address = self.address;
        // From the nearest on: each is believed as far as the one behind it is trusted.
        for name in named.collect::<Vec<_>>().into_iter().rev() {
            let Ok(next) = name.parse::<IpAddr>() else { break };
            address = next.to_canonical();
            if !self.all.is_proxy(address) {
                break;
            }
        }
        Self { address, ..self.clone() }
    }

    /// What counts as one address with it.
    pub(crate) fn place(&self) -> IpAddr {
        network(self.address)
    }

    /// It has said whose it is, and that was true.
    pub(crate) fn is_known(&self) {
        if let Some(waiting) = &self.waiting {
            waiting.end();
        }
    }

    /// It came with no token, or with one that is none. Gives what it hears.
    pub(crate) fn failed(&self, error: WireError) -> WireError {
        if error.code != ErrorCode::TokenInvalid {
            // One that has ended was good once.
            return error;
        }
        let now = Instant::now();
        let mut known = self.all.lock();
        if known.failures.len() >= known.sweep_at {
            known.failures.retain(|_, bucket| {
                bucket.refill(now);
                bucket.left < FAILURES
            });
            known.sweep_at = (known.failures.len() * 2).max(SWEEP_AT);
        }
        let bucket = known.failures.entry(network(self.address));
        let bucket = bucket.or_insert(Bucket { left: FAILURES, at: now });
        bucket.refill(now);
        if bucket.left >= 1.0 {
            bucket.left -= 1.0;
            return error;
        }
        let wait_ms = (1.0 - bucket.left) / FAILURES_PER_SECOND * 1_000.0;
        let text = "too many tokens of this address were none: try again later";
        WireError::new(ErrorCode::RateLimited, text).retry_after_ms(wait_ms.ceil() as u64)
    }
}

impl FromRequestParts<Arc<App>> for Visitor {
    type Rejection = crate::http::Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<App>) -> Result<Self, Self::Rejection> {
        let missing = || WireError::new(ErrorCode::Internal, "the server failed");
        let visitor = parts.extensions.get::<Self>().ok_or_else(missing)?;
        Ok(visitor.of(&parts.headers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visitors(most: u32) -> Arc<Visitors> {
        Visitors::new(vec!["10.0.0.0/8".parse().unwrap()], most)
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_is_believed_as_far_as_the_proxies_are_trusted() {
        let all = visitors(9);
        for (peer, forwarded, wanted) in [
            ("192.0.2.1", "203.0.113.7", "192.0.2.1"),
            ("10.0.0.1", "203.0.113.7", "203.0.113.7"),
            ("10.0.0.1", "198.51.100.9, 203.0.113.7", "203.0.113.7"),
            ("10.0.0.1", "203.0.113.7, 10.0.0.2", "203.0.113.7"),
            ("10.0.0.1", "nonsense", "10.0.0.1"),
            ("10.0.0.1", "1.2.3.4, nonsense, 10.0.0.2", "10.0.0.2"),
            ("::ffff:10.0.0.1", "203.0.113.7", "203.0.113.7"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(X_FORWARDED_FOR, forwarded.parse().unwrap());
            let visitor = all.came(address(peer)).unwrap().of(&headers);
            assert_eq!(visitor.address, address(wanted), "{peer} says {forwarded}");
        }
    }

    #[test]
    fn connections_that_say_nothing_are_counted_for_each_address_until_they_do() {
        let all = visitors(2);
        let one = all.came(address("192.0.2.1")).unwrap();
        let two = all.came(address("192.0.2.1")).unwrap();
        assert!(all.came(address("192.0.2.1")).is_none());
        assert!(all.came(address("192.0.2.2")).is_some(), "another one");
        let carried = one.clone();
        drop(one);
        assert!(all.came(address("192.0.2.1")).is_none(), "its socket lives on");
        carried.is_known();
        let three = all.came(address("192.0.2.1")).unwrap();
        drop((two, three, carried));
        assert!(all.lock().waiting.is_empty());
        let v6 = ["2001:db8::1", "2001:db8::2"].map(|text| all.came(address(text)).unwrap());
        assert!(all.came(address("2001:db8::3")).is_none(), "one network");
        drop(v6);
    }

    #[test]
    fn guessing_tokens_is_slowed_down_for_the_one_address_alone() {
        let all = visitors(9);
        let guesser = all.came(address("192.0.2.1")).unwrap();
        let other = all.came(address("192.0.2.2")).unwrap();
        let wrong = || WireError::new(ErrorCode::TokenInvalid, "wrong");
        for _ in 0..FAILURES as usize {
            assert_eq!(guesser.failed(wrong()).code, ErrorCode::TokenInvalid);
        }
        let slowed = guesser.failed(wrong());
        assert_eq!(slowed.code, ErrorCode::RateLimited);
        assert!(slowed.retry_after_ms.unwrap() <= 1_000);
        assert_eq!(other.failed(wrong()).code, ErrorCode::TokenInvalid);
        let expired = WireError::new(ErrorCode::TokenExpired, "ended");
        assert_eq!(guesser.failed(expired).code, ErrorCode::TokenExpired);
    }
}
