//! Passwords: Argon2id, away from the threads that serve, and only so many at once: each takes its memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use icu_normalizer::ComposingNormalizerBorrowed;
use prometheus_client::metrics::histogram::Histogram;
use tidewire_protocol::{ErrorCode, SecretText, WireError};
use tokio::sync::Semaphore;

use crate::config::AccountRules;

/// How many wait for each that is hashed: about half a second, which somebody who signs in does not mind.
const WAITING: usize = 16;
/// Bytes of a salt: what RFC 9106 recommends.
const SALT_BYTES: usize = 16;

/// What became of a password.
#[derive(Debug)]
pub(super) struct Checked {
    /// Whether it is the one.
    pub(super) right: bool,
    /// Its hash by the rules of today, where it was kept by others.
    pub(super) rehashed: Option<String>,
}

/// Hashes passwords.
pub(super) struct Passwords {
    params: Params,
    most: usize,
    /// Of those that are hashed or wait for it.
    places: Arc<Semaphore>,
    running: Arc<Semaphore>,
    /// What one took, smoothed, in ms.
    took_ms: AtomicU64,
    times: Histogram,
}

impl Passwords {
    pub(super) fn new(rules: &AccountRules, times: Histogram) -> Result<Self, String> {
        let params = Params::new(rules.password_memory_kib, rules.password_passes, 1, None);
        let params = params.map_err(|error| format!("these parameters of Argon2: {error}"))?;
        let most = rules.password_hashes.max(1);
        Ok(Self {
            params,
            most,
            places: Arc::new(Semaphore::new(most * (1 + WAITING))),
            running: Arc::new(Semaphore::new(most)),
            took_ms: AtomicU64::new(30),
            times,
        })
    }

    /// The hash of a password, as it is kept.
    pub(super) async fn hash(&self, password: SecretText) -> Result<String, WireError> {
        let params = self.params.clone();
        self.run(move || hash(&normal(&password), &params)).await
    }

    /// Whether a password is the one that is kept. Where none is kept, this takes as long, and it is not.
    pub(super) async fn check(
        &self,
        password: SecretText,
        stored: Option<String>,
    ) -> Result<Checked, WireError> {
        let params = self.params.clone();
        self.run(move || {
            let password = normal(&password);
            let Some(stored) = stored else {
                hash(&password, &params)?;
                return Ok(Checked { right: false, rehashed: None });
            };
            let stored = PasswordHash::new(&stored).map_err(|error| error.to_string())?;
            let argon2 = argon2_of(&params);
            let right = match argon2.verify_password(&password, &stored) {
                Ok(()) => true,
                Err(argon2::password_hash::Error::PasswordInvalid) => false,
                Err(error) => return Err(error.to_string()),
            };
            let outdated = right && !is_of(&stored, &params);
            let rehashed = outdated.then(|| hash(&password, &params)).transpose()?;
            Ok(Checked { right, rehashed })
        })
        .await
    }

    /// Runs a job on a thread of its own, in its turn.
    async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> Result<T, String> + Send + 'static,
    ) -> Result<T, WireError> {
        let Ok(place) = self.places.clone().try_acquire_owned() else { return Err(self.full()) };
        // Never closed.
        let turn = self.running.clone().acquire_owned().await.map_err(|_| self.full())?;
        let begun = Instant::now();
        let job = tokio::task::spawn_blocking(move || {
            // Whoever hangs up does not free memory that is still used.
            let _held = (place, turn);
            job()
        });
        let done = job.await.map_err(|error| error.to_string()).flatten();
        self.took(begun.elapsed());
        done.map_err(|error| {
            tracing::error!(%error, "a password could not be hashed");
            WireError::new(ErrorCode::Internal, "the server failed: try again later")
        })
    }

    fn took(&self, time: Duration) {
        self.times.observe(time.as_secs_f64());
        let took = u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1);
        let before = self.took_ms.load(Ordering::Relaxed);
        self.took_ms.store(before.saturating_mul(7).saturating_add(took) / 8, Ordering::Relaxed);
    }

    /// A moment at which those who wait now are through, one for each of them who are told so.
    fn full(&self) -> WireError {
        let queue_ms = self.took_ms.load(Ordering::Relaxed).max(1) * (WAITING as u64 + 1);
        let slot = queue_ms + fastrand::u64(0..queue_ms * self.most as u64);
        let text = "too many sign in at this moment: try again later";
        WireError::new(ErrorCode::RateLimited, text).retry_after_ms(slot)
    }
}

/// The hash of a password as it is kept by the rules that hold without a word of an operator's: at the next sign-in it is
/// made by his.
pub(crate) fn kept(password: &SecretText) -> Result<String, String> {
    let rules = AccountRules::default();
    let params = Params::new(rules.password_memory_kib, rules.password_passes, 1, None);
    hash(&normal(password), &params.map_err(|error| error.to_string())?)
}

/// The hash of a password that nobody knows.
pub(crate) fn unknown() -> Result<String, String> {
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(|error| error.to_string())?;
    kept(&URL_SAFE_NO_PAD.encode(random).into())
}

fn argon2_of(params: &Params) -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone())
}

fn hash(password: &[u8], params: &Params) -> Result<String, String> {
    let mut salt = [0; SALT_BYTES];
    getrandom::fill(&mut salt).map_err(|error| error.to_string())?;
    let hash = argon2_of(params).hash_password_with_salt(password, &salt);
    hash.map(|hash| hash.to_string()).map_err(|error| error.to_string())
}

/// Whether a hash was made by these parameters.
fn is_of(stored: &PasswordHash, params: &Params) -> bool {
    let of = |params: &Params| (params.m_cost(), params.t_cost(), params.p_cost());
    stored.algorithm.as_str() == Algorithm::Argon2id.as_ref()
        && stored.version == Some(Version::V0x13.into())
        && Params::try_from(stored).is_ok_and(|stored| of(&stored) == of(params))
}

/// The same text is the same password, whichever keyboard has put it together: NFKC, as NIST SP 800-63B (5.1.1.2) says.
fn normal(password: &SecretText) -> Vec<u8> {
    let nfkc = const { ComposingNormalizerBorrowed::new_nfkc() };
    nfkc.normalize(password.get()).into_owned().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(memory_kib: u32, hashes: usize) -> AccountRules {
        AccountRules {
            password_memory_kib: memory_kib,
            password_hashes: hashes,
            ..AccountRules::default()
        }
    }

    fn passwords(rules: &AccountRules) -> Passwords {
        let times: [f64; 1] = [1.0];
        Passwords::new(rules, Histogram::new(times)).unwrap()
    }

    #[tokio::test]
    async fn the_parameters_are_those_that_owasp_recommends() {
        let hash = passwords(&AccountRules::default()).hash("correct horse".into()).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
    }

    #[tokio::test]
    async fn a_password_is_right_however_it_is_composed_and_no_other_is() {
        let passwords = passwords(&rules(64, 1));
        let stored = passwords.hash("Zoe\u{308} \u{fb01}nds".into()).await.unwrap();
        for (typed, right) in [
            ("Zo\u{eb} finds", true),
            ("Zoe\u{308}\u{a0}\u{fb01}nds", true),
            ("zo\u{eb} finds", false),
            ("", false),
        ] {
            let checked = passwords.check(typed.into(), Some(stored.clone())).await.unwrap();
            assert_eq!((checked.right, checked.rehashed), (right, None), "{typed}");
        }
        assert!(!passwords.check("Zo\u{eb} finds".into(), None).await.unwrap().right);
        assert_ne!(stored, passwords.hash("Zo\u{eb} finds".into()).await.unwrap(), "salted");
    }

    #[tokio::test]
    async fn one_that_was_kept_by_weaker_rules_is_hashed_anew() {
        let stored = passwords(&rules(64, 1)).hash("correct horse".into()).await.unwrap();
        let today = passwords(&rules(128, 1));
        let checked = today.check("wrong".into(), Some(stored.clone())).await.unwrap();
        assert!(checked.rehashed.is_none(), "not for whoever asks");
        let checked = today.check("correct horse".into(), Some(stored)).await.unwrap();
        let anew = checked.rehashed.unwrap();
        assert!(anew.contains("m=128"), "{anew}");
        let checked = today.check("correct horse".into(), Some(anew)).await.unwrap();
        assert!(checked.right && checked.rehashed.is_none());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn only_so_many_are_hashed_at_once_and_the_others_get_a_slot() {
        let passwords = Arc::new(passwords(&rules(64, 2)));
        let (open, opened) = std::sync::mpsc::channel::<()>();
        let opened = Arc::new(std::sync::Mutex::new(opened));
        let most = 2 * (1 + WAITING);
        let mut jobs = Vec::new();
        for _ in 0..most {
            let (passwords, opened) = (passwords.clone(), opened.clone());
            jobs.push(tokio::spawn(async move {
                let job = move || opened.lock().unwrap().recv().map_err(|error| error.to_string());
                passwords.run(job).await
            }));
        }
        while passwords.places.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let full = passwords.hash("correct horse".into()).await.unwrap_err();
        assert_eq!(full.code, ErrorCode::RateLimited);
        assert!(full.retry_after_ms.unwrap() > 0);
        assert_eq!(passwords.running.available_permits(), 0);
        for _ in 0..most {
            open.send(()).unwrap();
        }
        for job in jobs {
            job.await.unwrap().unwrap();
        }
        passwords.hash("correct horse".into()).await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn whoever_hangs_up_frees_no_memory_that_is_still_used() {
        let passwords = Arc::new(passwords(&rules(64, 1)));
        let (open, opened) = std::sync::mpsc::channel::<()>();
        let (begun, begins) = tokio::sync::oneshot::channel();
        let running = {
            let passwords = passwords.clone();
            tokio::spawn(async move {
                let job = move || {
                    let _ = begun.send(());
                    opened.recv().map_err(|error| error.to_string())
                };
                passwords.run(job).await
            })
        };
        begins.await.unwrap();
        running.abort();
        assert!(running.await.unwrap_err().is_cancelled());
        assert_eq!(passwords.running.available_permits(), 0);
        open.send(()).unwrap();
        while passwords.running.available_permits() == 0 {
            tokio::task::yield_now().await;
        }
    }
}
