//! What came of a run: figures for people and programs, a line for each second as CSV, a plot.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use super::Error;
use super::machine::Used;
use super::plot;
use super::reader::Verdict;
use super::shared::By;
use crate::figures::{Figures, Goal};

/// What a second was like.
#[derive(Debug, Clone)]
pub(crate) struct Second {
    /// Since the talk began.
    pub(crate) at: Duration,
    pub(crate) here: BTreeMap<By, usize>,
    pub(crate) sent: u64,
    pub(crate) heard: u64,
    /// Latencies in ms.
    pub(crate) p50: u64,
    pub(crate) p99: u64,
    pub(crate) used: Used,
    pub(crate) server_bytes: Option<u64>,
}

/// Everybody has lost his connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Storm {
    /// Since the talk began.
    pub(crate) at: Duration,
    /// When the server could be reached again.
    pub(crate) begin: Instant,
    /// From there to the last one's `welcome`, of light clients.
    pub(crate) last_back: Option<Duration>,
}

/// A room in the end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    /// Messages that were sent and not refused.
    pub(crate) sent: u64,
    /// Those that are in its log.
    pub(crate) in_log: u64,
}

/// What came of a run.
#[derive(Debug)]
pub struct Report {
    pub(crate) about: String,
    pub(crate) users: usize,
    pub(crate) rooms: usize,
    pub(crate) sent: u64,
    pub(crate) heard: u64,
    pub(crate) latency: BTreeMap<By, Histogram<u64>>,
    pub(crate) verdict: Verdict,
    pub(crate) in_log: Vec<Room>,
    /// Messages of which nobody knew at the end whether they are in the log.
    pub(crate) unsettled: u64,
    pub(crate) settled_after: Duration,
    pub(crate) refusals: u64,
    pub(crate) seconds: Vec<Second>,
    pub(crate) storms: Vec<Storm>,
    pub(crate) idle_bytes: Option<u64>,
    pub(crate) binds: Vec<String>,
    pub(crate) cores: usize,
}

const MB: f64 = 1_000_000.0;

impl Report {
    /// Messages that were sent and are in no log, and such that the log has twice.
    fn log(&self) -> (u64, u64) {
        let missing = self.in_log.iter().map(|room| room.sent.saturating_sub(room.in_log)).sum();
        let doubled = self.in_log.iter().map(|room| room.in_log.saturating_sub(room.sent)).sum();
        (missing, doubled)
    }

    /// Whether everything that was sent is in the log once, and everybody has heard all of it once.
    pub fn holds(&self) -> bool {
        let Verdict { expected, lost, repeated, invented } = self.verdict;
        let (missing, doubled) = self.log();
        // Of a run in which nothing was said nothing is known.
        expected > 0 && lost + repeated + invented + missing + doubled + self.unsettled == 0
    }

    /// Users by what they listened as when the talk was over, by name.
    pub fn by_mode(&self) -> BTreeMap<&'static str, usize> {
        let last = self.seconds.last().map(|second| &second.here);
        let here = last.into_iter().flatten().filter(|(_, count)| **count > 0);
        here.map(|(by, count)| (by.as_str(), *count)).collect()
    }

    /// The fewest who listened as that in any second.
    pub(crate) fn fewest(&self, by: By) -> usize {
        let here = self.seconds.iter().map(|second| second.here.get(&by).copied());
        here.map(Option::unwrap_or_default).min().unwrap_or_default()
    }

    /// What bound the run other than the server, in words.
    pub(crate) fn binds(&self) -> &[String] {
        &self.binds
    }

    /// The figures.
    pub fn figures(&self) -> Figures {
        let mut figures = Figures::default();
        let seconds = self.seconds.last().map_or(0.0, |second| second.at.as_secs_f64());
        let per_second = |count: u64| count as f64 / seconds.max(0.001);
        figures.put("users", self.users as f64, "users", Goal::None);
        for (name, count) in self.by_mode() {
            figures.put(format!("users.{name}"), count as f64, "users", Goal::None);
        }
        figures.put("rooms", self.rooms as f64, "rooms", Goal::None);
        figures.put("seconds", seconds, "s", Goal::None);
        figures.put("sent", self.sent as f64, "messages", Goal::None);
        figures.put("sent_per_second", per_second(self.sent), "1/s", Goal::None);
        figures.put("heard", self.heard as f64, "messages", Goal::None);
        figures.put("heard_per_second", per_second(self.heard), "1/s", Goal::None);
        for (by, latency) in &self.latency {
            let name = by.as_str();
            for (quantile, of) in [("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("max", 1.0)] {
                let value = latency.value_at_quantile(of) as f64;
                figures.put(format!("latency.{name}.{quantile}"), value, "ms", Goal::None);
            }
        }
        let Verdict { expected, lost, repeated, invented } = self.verdict;
        let (missing, doubled) = self.log();
        let none = Goal::AtMost(0.0);
        figures.put("check.deliveries", expected as f64, "messages", Goal::AtLeast(1.0));
        figures.put("check.lost", lost as f64, "messages", none);
        figures.put("check.repeated", repeated as f64, "messages", none);
        figures.put("check.in_no_log", (invented + missing) as f64, "messages", none);
        figures.put("check.twice_in_the_log", doubled as f64, "messages", none);
        figures.put("check.unknown", self.unsettled as f64, "messages", none);
        let after = self.settled_after.as_secs_f64();
        figures.put("check.all_heard_after_s", after, "s", Goal::None);
        for (number, storm) in self.storms.iter().enumerate() {
            if let Some(last) = storm.last_back {
                let name = format!("storm.{}.last_back_s", number + 1);
                figures.put(name, last.as_secs_f64(), "s", Goal::None);
            }
        }
        if self.refusals > 0 || !self.storms.is_empty() {
            let each = self.refusals as f64 / self.users as f64;
            figures.put("refusals_per_client", each, "", Goal::None);
        }
        if let Some(idle) = self.idle_bytes {
            figures.put("server.mb_before", idle as f64 / MB, "MB", Goal::None);
        }
        if let Some(most) = self.seconds.iter().filter_map(|second| second.server_bytes).max() {
            figures.put("server.mb_most", most as f64 / MB, "MB", Goal::None);
            figures.put("server.cores", self.mean(|used| used.server), "cores", Goal::None);
        }
        figures.put("load.cores", self.mean(|used| used.own), "cores", Goal::None);
        figures.put("machine.cores_used", self.mean(|used| used.machine), "cores", Goal::None);
        figures.put("machine.cores", self.cores as f64, "cores", Goal::None);
        self.binds.iter().for_each(|bind| figures.note(bind.as_str()));
        figures
    }

    fn mean(&self, of: impl Fn(&Used) -> f64) -> f64 {
        let sum: f64 = self.seconds.iter().map(|second| of(&second.used)).sum();
        sum / self.seconds.len().max(1) as f64
    }

    /// For people: what it was, what came of it, and what bound it.
    pub fn table(&self) -> String {
        format!("{}\n\n{}\n", self.about, self.figures().table())
    }

    /// For programs: the figures, whether all holds, what bound the run, and each second.
    pub fn json(&self) -> Value {
        let seconds = self.seconds.iter().map(|second| {
            let here: BTreeMap<&str, usize> =
                second.here.iter().map(|(by, count)| (by.as_str(), *count)).collect();
            json!({
                "at_s": (second.at.as_secs_f64() * 1_000.0).round() / 1_000.0,
                "here": here,
                "sent": second.sent,
                "heard": second.heard,
                "p50_ms": second.p50,
                "p99_ms": second.p99,
                "server_cores": second.used.server,
                "server_bytes": second.server_bytes,
                "load_cores": second.used.own,
                "machine_cores": second.used.machine,
            })
        });
        json!({
            "about": self.about,
            "holds": self.holds(),
            "figures": self.figures().to_json(),
            "by_mode": self.by_mode(),
            "limited_by": self.binds,
            "seconds": seconds.collect::<Vec<_>>(),
        })
    }

    /// A line for each second.
    pub fn csv(&self) -> String {
        let mut kinds: Vec<By> =
            self.seconds.iter().flat_map(|second| second.here.keys().copied()).collect();
        kinds.sort();
        kinds.dedup();
        let names: String = kinds.iter().map(|by| format!("here_{},", by.as_str())).collect();
        let mut text = format!(
            "at_s,{names}sent,heard,p50_ms,p99_ms,server_cores,server_bytes,load_cores,machine_cores\n"
        );
        for second in &self.seconds {
            let _ = write!(text, "{:.3},", second.at.as_secs_f64());
            for kind in &kinds {
                let _ = write!(text, "{},", second.here.get(kind).copied().unwrap_or_default());
            }
            let Second { sent, heard, p50, p99, used, server_bytes, .. } = second;
            let bytes = server_bytes.map(|bytes| bytes.to_string()).unwrap_or_default();
            let _ = writeln!(
                text,
                "{sent},{heard},{p50},{p99},{:.2},{bytes},{:.2},{:.2}",
                used.server, used.own, used.machine
            );
        }
        text
    }

    /// The seconds as a picture, in SVG.
    pub fn svg(&self) -> String {
        plot::draw(&self.about, &self.seconds, &self.storms)
    }

    /// Writes all of it into a folder, which is made if it is missing: `report.txt`, `report.json`, `seconds.csv` and
    /// `plot.svg`.
    ///
    /// # Errors
    /// When something cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(), Error> {
        std::fs::create_dir_all(folder)?;
        std::fs::write(folder.join("report.txt"), self.table())?;
        std::fs::write(folder.join("report.json"), format!("{:#}\n", self.json()))?;
        std::fs::write(folder.join("seconds.csv"), self.csv())?;
        std::fs::write(folder.join("plot.svg"), self.svg())?;
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "in a test a panic is the report")]
pub(crate) mod tests {
    use tidewire::Mode;

    use super::*;
    use crate::figures::latencies;

    pub(crate) fn report() -> Report {
        let second = |at, light| Second {
            at: Duration::from_secs(at),
            here: [(By::Light, light), (By::Sdk(Mode::RealTime), 3)].into(),
            sent: 5,
            heard: 50,
            p50: 3,
            p99: 20 + at,
            used: Used { own: 0.25, server: 0.5, machine: 1.0 },
            server_bytes: Some(50_000_000 + at * 1_000_000),
        };
        let mut latency = latencies();
        latency.saturating_record(7);
        Report {
            about: "A test & nothing else.".into(),
            users: 10,
            rooms: 1,
            sent: 10,
            heard: 100,
            latency: [(By::Light, latency)].into(),
            verdict: Verdict { expected: 100, ..Verdict::default() },
            in_log: vec![Room { sent: 10, in_log: 10 }],
            unsettled: 0,
            settled_after: Duration::from_millis(30),
            refusals: 0,
            seconds: vec![second(1, 7), second(2, 6)],
            storms: vec![Storm {
                at: Duration::from_secs(1),
                begin: Instant::now(),
                last_back: Some(Duration::from_secs(2)),
            }],
            idle_bytes: Some(40_000_000),
            binds: vec!["this machine is the limit: it is full".into()],
            cores: 2,
        }
    }

    #[test]
    fn it_holds_only_if_something_was_said_and_nothing_was_lost_repeated_or_is_unknown() {
        assert!(report().holds());
        let broken: [fn(&mut Report); 7] = [
            |report| report.verdict = Verdict::default(),
            |report| report.verdict.lost = 1,
            |report| report.verdict.repeated = 1,
            |report| report.verdict.invented = 1,
            |report| report.in_log = vec![Room { sent: 10, in_log: 9 }],
            |report| report.in_log = vec![Room { sent: 10, in_log: 11 }],
            |report| report.unsettled = 1,
        ];
        for (number, break_it) in broken.into_iter().enumerate() {
            let mut report = report();
            break_it(&mut report);
            assert!(!report.holds(), "{number}");
            let figures = report.figures().to_json();
            let missed = figures.as_object().unwrap().values().filter(|f| f["holds"] == false);
            assert_eq!(missed.count(), 1, "{number}: the figures say which");
        }
    }

    #[test]
    fn one_message_too_few_in_a_room_is_not_made_up_for_by_one_too_many_in_another() {
        let mut report = report();
        report.in_log = vec![Room { sent: 10, in_log: 9 }, Room { sent: 10, in_log: 11 }];
        assert_eq!(report.log(), (1, 1));
    }

    #[test]
    fn every_form_has_each_second_and_what_bound_the_run() {
        let report = report();
        assert!(report.table().contains("this machine is the limit"));
        let json = report.json();
        assert_eq!(json["seconds"].as_array().unwrap().len(), 2);
        assert_eq!(json["limited_by"].as_array().unwrap().len(), 1);
        assert_eq!(json["by_mode"]["light"], 6);
        let csv = report.csv();
        let columns: Vec<usize> = csv.lines().map(|line| line.split(',').count()).collect();
        assert_eq!(columns, [11, 11, 11]);
        assert!(csv.starts_with("at_s,here_light,here_real_time,sent,"));
        let folder = tempfile::tempdir().unwrap();
        report.write(&folder.path().join("new")).unwrap();
        assert_eq!(std::fs::read_dir(folder.path().join("new")).unwrap().count(), 4);
    }
}
