//! Who is let in next, at which rate, and when the others come back. No clock and no task of its own: the time
//! is an argument.
//!
//! What comes above the rate waits a moment, resumes before newcomers. Where that would be too long, it is
//! refused, and gets the next free place of a schedule that promises exactly as many places a second as the
//! rate has. Who resumes and keeps his place goes before everybody else. So a herd is back in the least time, each is
//! refused about once, and however many places are promised, nothing has to be promised twice.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use tidewire_protocol::UserId;

/// How long somebody may wait for his place instead of being refused: long enough to even out chance, and
/// well below the 10 s in which a client expects an answer.
pub(super) const HOLD: Duration = Duration::from_secs(1);
/// Who keeps his place may wait for so many times as long: the rate may have fallen meanwhile.
const HOLD_KEPT: f64 = 3.0;
/// What may be let in at once after a pause, in seconds of the rate.
const BURST: f64 = 0.1;
/// A timer may go off so much early and the place still counts as kept.
const EARLY: Duration = Duration::from_millis(50);
/// A place that nobody came for is forgotten after so long.
const FORGET: Duration = Duration::from_secs(60);
/// Places remembered before those are looked for that can be forgotten: about 1 MB.
const SWEEP_AT: usize = 10_000;

/// A rate that is cut by this where the event loop lags, and not again until the cut can have had an effect.
const CUT: f64 = 0.7;
const CUT_PAUSE: Duration = Duration::from_millis(300);
/// A rate grows by this share of what was configured with each measurement at ease, ten a second: back from
/// nothing in 10 s.
const GROW: f64 = 0.01;
/// Below this share of the bound the event loop is at ease.
const EASE: f64 = 0.5;

/// Whom a place is for: one device of a user, see [`key`].
pub(super) type Key = (UserId, u32);

/// Places that one user can have promised at a time: more devices than anybody has. Whoever invents devices
/// takes no more of the schedule than that.
const PLACES: u32 = 16;

/// Whom a place is for. Two devices of a user may come to be one: they have a place together then.
pub(super) fn key(user: &UserId, device: u32) -> Key {
    (user.clone(), device % PLACES)
}

/// Who goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rank {
    /// Goes on from a cursor: somebody looks at his screen and waits for it.
    Resume,
    /// Begins anew: costs more, and has less to lose.
    Newcomer,
}

/// What becomes of one who comes.
#[derive(Debug, PartialEq)]
pub(super) enum Entry<T> {
    /// He is in.
    In(T),
    /// He waits, and [`Schedule::release`] gives him back.
    Waits,
    /// He comes back after this time. It may be another one than he who came: a newcomer who waited gives way
    /// to one who resumes.
    Refused(T, Duration),
}

struct Waiting<T> {
    key: Key,
    waiter: T,
}

/// Who is let in next.
pub(super) struct Schedule<T> {
    configured: f64,
    floor: f64,
    /// So many a second, now.
    rate: f64,
    cut_at: Option<Instant>,
    tokens: f64,
    refilled_at: Instant,
    /// Those who wait: for the place that they were promised, to resume, to begin.
    kept: VecDeque<Waiting<T>>,
    resumes: VecDeque<Waiting<T>>,
    newcomers: VecDeque<Waiting<T>>,
    /// The ends of the schedule. Newcomers come behind those who resume, also there.
    resumes_end: Instant,
    newcomers_end: Instant,
    /// What was promised and not kept yet.
    promised: HashMap<Key, Instant>,
    sweep_at: usize,
    /// Nobody is let in any more.
    closed: bool,
}

impl<T> Schedule<T> {
    /// Lets `per_second` in, and never fewer than `floor` while the event loop lags.
    pub(super) fn new(per_second: f64, floor: f64, now: Instant) -> Self {
        let mut schedule = Self {
            configured: per_second,
            floor: floor.min(per_second),
            rate: per_second,
            cut_at: None,
            tokens: 0.0,
            refilled_at: now,
            kept: VecDeque::new(),
            resumes: VecDeque::new(),
            newcomers: VecDeque::new(),
            resumes_end: now,
            newcomers_end: now,
            promised: HashMap::new(),
            sweep_at: SWEEP_AT,
            closed: false,
        };
        schedule.tokens = schedule.burst();
        schedule
    }

    /// So many are let in a second, now.
    pub(super) fn rate(&self) -> f64 {
        self.rate
    }

    fn burst(&self) -> f64 {
        (self.rate * BURST).max(1.0)
    }

    fn refill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.refilled_at).as_secs_f64();
        self.tokens = (self.tokens + passed * self.rate).min(self.burst());
        self.refilled_at = self.refilled_at.max(now);
    }

    fn waiting(&self) -> usize {
        self.kept.len() + self.resumes.len() + self.newcomers.len()
    }

    /// So many may wait for `times` the hold.
    fn most(&self, times: f64) -> usize {
        (self.rate * HOLD.as_secs_f64() * times).ceil().max(1.0) as usize
    }

    /// Somebody comes. Gives what becomes of him, and of one who gives way to him.
    pub(super) fn enter(
        &mut self,
        key: Key,
        rank: Rank,
        waiter: T,
        now: Instant,
    ) -> (Entry<T>, Option<Entry<T>>) {
        self.refill(now);
        let place = self.promised.get(&key).copied();
        if let Some(place) = place.filter(|place| *place > now + EARLY) {
            // Too early: his place stands, and no other one is taken for him.
            return (Entry::Refused(waiter, place - now), None);
        }
        if self.closed {
            return (self.refuse(Waiting { key, waiter }, rank, now), None);
        }
        let kept = self.promised.remove(&key).is_some_and(|place| now < place + FORGET);
        // A newcomer's place was promised for as long as nobody resumes.
        let kept = kept && rank == Rank::Resume;
        if self.waiting() == 0 && self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return (Entry::In(waiter), None);
        }
        let waiting = Waiting { key, waiter };
        if kept && self.kept.len() < self.most(HOLD_KEPT) {
            self.kept.push_back(waiting);
            return (Entry::Waits, None);
        }
        let room = self.waiting() < self.most(1.0);
        match rank {
            Rank::Newcomer if room => self.newcomers.push_back(waiting),
            Rank::Resume if room => self.resumes.push_back(waiting),
            Rank::Resume if !self.newcomers.is_empty() => {
                let other = self.newcomers.pop_back();
                self.resumes.push_back(waiting);
                return (Entry::Waits, other.map(|other| self.refuse(other, Rank::Newcomer, now)));
            }
            _ => return (self.refuse(waiting, rank, now), None),
        }
        (Entry::Waits, None)
    }

    /// Gives somebody the next free place.
    fn refuse(&mut self, waiting: Waiting<T>, rank: Rank, now: Instant) -> Entry<T> {
        let step = Duration::from_secs_f64(1.0 / self.rate.max(0.001));
        // Behind those who wait already.
        let first = now + HOLD.max(step.mul_f64(self.waiting() as f64));
        let place = match rank {
            Rank::Resume => first.max(self.resumes_end),
            Rank::Newcomer => first.max(self.resumes_end).max(self.newcomers_end),
        };
        match rank {
            Rank::Resume => self.resumes_end = place + step,
            Rank::Newcomer => self.newcomers_end = place + step,
        }
        self.sweep(now);
        self.promised.insert(waiting.key, place);
        Entry::Refused(waiting.waiter, place - now)
    }

    /// Forgets places that nobody came for, as often as their number has doubled.
    fn sweep(&mut self, now: Instant) {
        if self.promised.len() >= self.sweep_at {
            self.promised.retain(|_, place| now < *place + FORGET);
            self.sweep_at = (self.promised.len() * 2).max(SWEEP_AT);
        }
    }

    /// Those who are in now.
    pub(super) fn release(&mut self, now: Instant) -> Vec<T> {
        self.refill(now);
        let mut released = Vec::new();
        while self.tokens >= 1.0 {
            let next = self.kept.pop_front();
            let next = next.or_else(|| self.resumes.pop_front());
            let Some(next) = next.or_else(|| self.newcomers.pop_front()) else { break };
            self.tokens -= 1.0;
            released.push(next.waiter);
        }
        released
    }

    /// One who was let in is not there any more: another one is let in for him.
    pub(super) fn give_back(&mut self) {
        self.tokens = (self.tokens + 1.0).min(self.burst());
    }

    /// Lets go of everybody who waits, and lets nobody in any more.
    pub(super) fn close(&mut self) {
        self.closed = true;
        self.kept.clear();
        self.resumes.clear();
        self.newcomers.clear();
    }

    /// When [`Schedule::release`] has something to give; never while nobody waits.
    pub(super) fn next_release(&self) -> Option<Instant> {
        let missing = (1.0 - self.tokens).max(0.0) / self.rate.max(0.001);
        (self.waiting() > 0).then(|| self.refilled_at + Duration::from_secs_f64(missing))
    }

    /// The event loop was so late. Above `bound` the rate falls, at ease it grows back to what was configured.
    pub(super) fn adapt(&mut self, lag: Duration, bound: Duration, now: Instant) {
        self.refill(now);
        if lag > bound {
            if self.cut_at.is_none_or(|at| now.duration_since(at) >= CUT_PAUSE) {
                self.rate = (self.rate * CUT).max(self.floor);
                self.cut_at = Some(now);
            }
        } else if lag < bound.mul_f64(EASE) {
            self.rate = (self.rate + self.configured * GROW).min(self.configured);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn key(n: usize) -> Key {
        super::key(&format!("u{n}").parse().unwrap(), 0)
    }

    #[test]
    fn whoever_invents_devices_takes_no_more_places_than_a_user_has() {
        let now = Instant::now();
        let mut door = Schedule::new(10.0, 1.0, now);
        let mallory: UserId = "mallory".parse().unwrap();
        let mut furthest = Duration::ZERO;
        for device in 0..1_000 {
            let key = super::key(&mallory, device);
            if let (Entry::Refused((), after), _) = door.enter(key, Rank::Resume, (), now) {
                furthest = furthest.max(after);
            }
        }
        // Those who wait, and one place for each of the sixteen.
        assert!(furthest <= Duration::from_millis(2_700), "{furthest:?}");
        let (Entry::Refused((), after), _) = door.enter(key(1), Rank::Resume, (), now) else {
            panic!("everybody else comes behind him, and not far behind")
        };
        assert!(after <= Duration::from_millis(2_800), "{after:?}");
    }

    #[test]
    fn the_place_of_one_who_is_gone_is_for_the_next() {
        let now = Instant::now();
        let mut door = Schedule::new(10.0, 1.0, now);
        let entries: Vec<_> = (0..3).map(|n| door.enter(key(n), Rank::Resume, n, now).0).collect();
        assert_eq!(entries, [Entry::In(0), Entry::Waits, Entry::Waits]);
        let then = now + Duration::from_millis(100);
        assert_eq!(door.release(then), [1]);
        assert!(door.release(then).is_empty());
        door.give_back();
        assert_eq!(door.release(then), [2], "at the same moment");
    }

    const MS: Duration = Duration::from_millis(1);

    /// One of a herd.
    #[derive(Clone, Copy)]
    struct Client {
        rank: Rank,
        refusals: u32,
        /// When he was let in.
        back: Option<Duration>,
    }

    /// What became of a herd.
    struct Herd(Vec<Client>);

    impl Herd {
        fn refusals(&self) -> f64 {
            let all: u32 = self.0.iter().map(|client| client.refusals).sum();
            f64::from(all) / self.0.len() as f64
        }

        fn most_refusals(&self) -> u32 {
            self.0.iter().map(|client| client.refusals).max().unwrap()
        }

        /// When the last of a rank was back.
        fn last(&self, rank: Rank) -> Duration {
            let of_rank = self.0.iter().filter(|client| client.rank == rank);
            of_rank.map(|client| client.back.expect("everybody comes back")).max().unwrap()
        }
    }

    /// Lets a herd come, each for the first time at its moment, at one of these servers by chance, and then when it
    /// was told.
    fn run(
        servers: usize,
        per_second: f64,
        herd: &[(Duration, Rank)],
        rng: &mut fastrand::Rng,
    ) -> Herd {
        let start = Instant::now();
        let mut doors: Vec<_> =
            (0..servers).map(|_| Schedule::new(per_second, 100.0, start)).collect();
        let client = |(_, rank): &(Duration, Rank)| Client { rank: *rank, refusals: 0, back: None };
        let mut clients: Vec<Client> = herd.iter().map(client).collect();
        let mut coming = BTreeMap::<Duration, Vec<usize>>::new();
        for (n, (at, _)) in herd.iter().enumerate() {
            coming.entry(*at).or_default().push(n);
        }
        let mut at = Duration::ZERO;
        while clients.iter().any(|client| client.back.is_none()) {
            let now = start + at;
            while let Some(entry) = coming.first_entry().filter(|entry| *entry.key() <= at) {
                for n in entry.remove() {
                    let door = rng.usize(..doors.len());
                    let (entry, other) = doors[door].enter(key(n), clients[n].rank, n, now);
                    for entry in [Some(entry), other].into_iter().flatten() {
                        match entry {
                            Entry::In(n) => clients[n].back = Some(at),
                            Entry::Waits => {}
                            Entry::Refused(n, after) => {
                                clients[n].refusals += 1;
                                // The way to the client and back, and his timer.
                                let late = rng.u32(0..30);
                                coming.entry(at + after + MS * late).or_default().push(n);
                            }
                        }
                    }
                }
            }
            for n in doors.iter_mut().flat_map(|door| door.release(now)) {
                clients[n].back = Some(at);
            }
            at += MS;
            assert!(at < Duration::from_secs(600), "somebody never comes back");
        }
        Herd(clients)
    }

    fn resumes(count: usize, within: Duration, rng: &mut fastrand::Rng) -> Vec<(Duration, Rank)> {
        (0..count).map(|_| (within.mul_f64(rng.f64()), Rank::Resume)).collect()
    }

    #[test]
    fn a_herd_is_back_in_the_least_time_and_nobody_is_refused_twice() {
        let mut rng = fastrand::Rng::with_seed(7);
        let herd = resumes(10_000, Duration::from_secs(1), &mut rng);
        let herd = run(1, 1_000.0, &herd, &mut rng);
        let last = herd.last(Rank::Resume);
        assert!(last < Duration::from_millis(11_000), "the last one after {last:?}");
        assert!(herd.most_refusals() <= 1, "{}", herd.most_refusals());
    }

    #[test]
    fn who_trickles_in_beside_the_schedule_makes_nobody_wait_twice() {
        let mut rng = fastrand::Rng::with_seed(7);
        let mut herd = resumes(5_000, Duration::from_secs(1), &mut rng);
        herd.extend(resumes(5_000, Duration::from_secs(25), &mut rng));
        let herd = run(1, 1_000.0, &herd, &mut rng);
        assert!(herd.most_refusals() <= 1, "{}", herd.most_refusals());
        assert!(herd.last(Rank::Resume) < Duration::from_secs(27));
    }

    #[test]
    fn over_several_servers_that_know_nothing_of_each_other_it_stays_at_one_refusal_on_average() {
        let mut rng = fastrand::Rng::with_seed(7);
        let herd = resumes(10_000, Duration::from_secs(1), &mut rng);
        let herd = run(3, 1_000.0, &herd, &mut rng);
        let (refusals, last) = (herd.refusals(), herd.last(Rank::Resume));
        assert!(refusals <= 1.2, "{refusals} refusals a client");
        assert!(last < Duration::from_millis(5_500), "the last one after {last:?}");
    }

    #[test]
    fn resumes_come_before_newcomers() {
        let mut rng = fastrand::Rng::with_seed(7);
        let mut herd = resumes(3_000, Duration::from_secs(1), &mut rng);
        let newcomers = (0..1_000).map(|_| (Duration::from_secs_f64(rng.f64()), Rank::Newcomer));
        herd.extend(newcomers.collect::<Vec<_>>());
        let herd = run(1, 500.0, &herd, &mut rng);
        let (resumes, newcomers) = (herd.last(Rank::Resume), herd.last(Rank::Newcomer));
        assert!(resumes < Duration::from_millis(7_500), "resumes until {resumes:?}");
        assert!(newcomers < Duration::from_millis(10_500), "newcomers until {newcomers:?}");
        let mut ends: Vec<_> =
            herd.0.iter().filter(|c| c.rank == Rank::Newcomer).filter_map(|c| c.back).collect();
        ends.sort();
        assert!(ends[ends.len() / 4] > resumes - Duration::from_secs(1), "{:?}", ends[250]);
    }

    #[test]
    fn who_comes_early_or_again_and_again_takes_no_second_place() {
        let start = Instant::now();
        let mut door = Schedule::new(10.0, 1.0, start);
        for n in 0..11 {
            assert!(!matches!(door.enter(key(n), Rank::Resume, n, start).0, Entry::Refused(..)));
        }
        let slot = |door: &mut Schedule<usize>, n, after| match door
            .enter(key(n), Rank::Resume, n, start + after)
            .0
        {
            Entry::Refused(_, slot) => slot,
            other => panic!("{other:?}"),
        };
        let first = slot(&mut door, 20, Duration::ZERO);
        for early in 1..10 {
            assert_eq!(slot(&mut door, 20, MS * early), first - MS * early);
        }
        assert_eq!(slot(&mut door, 21, Duration::ZERO), first + MS * 100, "the next place");
    }

    #[test]
    fn a_lag_cuts_the_rate_down_to_the_floor_and_ease_brings_it_back() {
        let start = Instant::now();
        let mut door = Schedule::<()>::new(1_000.0, 100.0, start);
        let bound = MS * 100;
        for probe in 0..50 {
            door.adapt(MS * 500, bound, start + MS * 100 * probe);
        }
        assert_eq!(door.rate(), 100.0);
        for probe in 50..100 {
            door.adapt(MS * 80, bound, start + MS * 100 * probe);
        }
        assert_eq!(door.rate(), 100.0, "between ease and bound it stays");
        for probe in 100..200 {
            door.adapt(MS, bound, start + MS * 100 * probe);
        }
        assert_eq!(door.rate(), 1_000.0);
    }

    #[test]
    fn a_crowd_that_never_comes_back_is_forgotten() {
        let start = Instant::now();
        let mut door = Schedule::new(10.0, 1.0, start);
        for n in 0..=SWEEP_AT + 20 {
            door.enter(key(n), Rank::Newcomer, n, start);
        }
        assert!(door.promised.len() > SWEEP_AT / 2);
        let later = start + Duration::from_secs(3_600);
        for n in 0..30 {
            door.enter(key(1_000_000 + n), Rank::Newcomer, n, later);
        }
        door.sweep_at = 0;
        door.sweep(later);
        assert!(door.promised.len() < 100, "{}", door.promised.len());
    }
}
