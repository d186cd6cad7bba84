//! What a network does to what passes over it, as a seed says.

use std::ops::RangeInclusive;

/// What a network does. Every number is a chance, and each packet takes it anew.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// Time that anything takes one way, in ms.
    pub delay_ms: RangeInclusive<u64>,
    /// Share of requests that are lost; half of them only with their answers. On a socket, where
    /// nothing is lost, the same share comes late.
    pub loss: f64,
    /// Share of answers that come as late as `late_ms` says.
    pub late: f64,
    /// How late, in ms. Above 15 s the client has given up before.
    pub late_ms: RangeInclusive<u64>,
    /// Share of answers, and of pushed frames, that come twice.
    pub repeat: f64,
    /// How often a socket breaks within a minute, on average.
    pub cuts_per_minute: f64,
    /// Share of the breaks that the client is not told of.
    pub silent: f64,
    /// Share of WebSocket upgrades that are refused on the way, as some proxies do.
    pub blocked: f64,
}

impl Profile {
    /// A good network: 20 to 60 ms, and nothing goes wrong.
    pub fn good() -> Self {
        Self {
            delay_ms: 20..=60,
            loss: 0.0,
            late: 0.0,
            late_ms: 0..=0,
            repeat: 0.0,
            cuts_per_minute: 0.0,
            silent: 0.0,
            blocked: 0.0,
        }
    }

    /// A good network behind a proxy that lets no WebSocket through.
    pub fn no_sockets() -> Self {
        Self { blocked: 1.0, ..Self::good() }
    }

    /// A phone on a train: some requests are lost, some answers come late or twice, and a socket
    /// lives for a minute.
    pub fn lossy() -> Self {
        Self {
            delay_ms: 30..=800,
            loss: 0.05,
            late: 0.05,
            late_ms: 1_000..=8_000,
            repeat: 0.05,
            cuts_per_minute: 1.0,
            silent: 0.3,
            blocked: 0.0,
        }
    }

    /// As bad as it gets while anything passes at all: a socket lives for ten seconds.
    pub fn terrible() -> Self {
        Self {
            delay_ms: 50..=3_000,
            loss: 0.2,
            late: 0.15,
            late_ms: 2_000..=25_000,
            repeat: 0.15,
            cuts_per_minute: 6.0,
            silent: 0.5,
            blocked: 0.3,
        }
    }

    pub(super) fn delay(&self, rng: &mut fastrand::Rng) -> u64 {
        rng.u64(self.delay_ms.clone())
    }

    /// The delay of a frame: what is lost is sent again by TCP.
    pub(super) fn frame_delay(&self, rng: &mut fastrand::Rng) -> u64 {
        let again = if chance(rng, self.loss) { rng.u64(200..=2_000) } else { 0 };
        self.delay(rng) + again
    }

    /// The delay of an answer.
    pub(super) fn answer_delay(&self, rng: &mut fastrand::Rng) -> u64 {
        let late = if chance(rng, self.late) { rng.u64(self.late_ms.clone()) } else { 0 };
        self.delay(rng) + late
    }

    /// How long a socket lives, if it breaks by itself.
    pub(super) fn life_ms(&self, rng: &mut fastrand::Rng) -> Option<u64> {
        if self.cuts_per_minute <= 0.0 {
            return None;
        }
        let mean = 60_000.0 / self.cuts_per_minute;
        Some((-(1.0 - rng.f64()).ln() * mean) as u64)
    }
}

/// What becomes of one answer or frame of the server's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Harm {
    /// It never comes, and nobody tells the client.
    Drop,
    /// It comes so many ms later; what follows it on a socket, behind it.
    Delay(u64),
    /// It comes twice.
    Repeat,
    /// It breaks off in the middle.
    Truncate,
}

/// What becomes of the answers to one client, by their number.
#[derive(Debug, Default)]
pub(super) struct Harms {
    /// Answers and frames so far.
    pub(super) answers: u64,
    pub(super) planned: std::collections::BTreeMap<u64, Harm>,
}

impl Harms {
    /// Counts one more. Gives what becomes of it.
    pub(super) fn next(&mut self) -> Option<Harm> {
        self.answers += 1;
        self.planned.remove(&self.answers)
    }
}

pub(super) fn chance(rng: &mut fastrand::Rng, share: f64) -> bool {
    share > 0.0 && rng.f64() < share
}
