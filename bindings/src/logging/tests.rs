//! That the lines arrive. The logs are those of the process: so this is one test, and its lines are found by
//! what they say.

use super::*;

fn said(batch: &LogBatch) -> Vec<(LogLevel, &str)> {
    let lines = batch.lines.iter();
    lines.filter(|line| line.text.contains("c0ffee")).map(|l| (l.level, l.text.as_str())).collect()
}

fn say() {
    tracing::info!(target: "tidewire::test", id = "c0ffee", count = 3, "a line");
    tracing::debug!(target: "tidewire::test", "not wanted c0ffee");
    tracing::error!(target: "somebody_else", "not ours c0ffee");
    tracing::warn!(target: "tidewire", "another c0ffee");
}

#[tokio::test]
async fn lines_come_in_batches_and_go_into_the_file_as_far_as_somebody_wants_them() {
    say();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log").display().to_string();
    let file = LogFile { path: path.clone(), level: LogLevel::Warn, max_bytes: None, keep: None };
    log_to_file(file).unwrap();
    let logs = subscribe_logs(LogLevel::Info).unwrap();
    say();
    let mut batch = logs.next(0, None).await.unwrap();
    while said(&batch).len() < 2 {
        // A line wakes the reader at once: others may have been before.
        let next = logs.next(batch.number, None).await.unwrap();
        batch.lines.extend(next.lines);
        batch.number = next.number;
    }
    let wanted =
        [(LogLevel::Info, "a line id=\"c0ffee\" count=3"), (LogLevel::Warn, "another c0ffee")];
    assert_eq!(said(&batch), wanted);
    assert!(batch.lines.iter().all(|line| line.at_ms > 1_700_000_000_000));
    stop_log_file().unwrap();
    say();
    let written = std::fs::read_to_string(&path).unwrap();
    assert_eq!(written.lines().filter(|line| line.contains("c0ffee")).count(), 1, "{written}");
    assert!(written.contains("WARN  tidewire another c0ffee\n"), "{written}");

    // A reader that is far behind gets the newest, and hears how many it has missed.
    for _ in 0..1_500 {
        tracing::info!(target: "tidewire::test", "c0ffee");
    }
    let mut read = 0;
    let (mut missed, mut after) = (0, batch.number);
    while read + missed < 1_500 {
        let batch = logs.next(after, None).await.unwrap();
        assert_eq!(logs.next(after, None).await, Ok(batch.clone()), "until it is acknowledged");
        assert!(batch.lines.len() <= 256);
        missed += batch.missed;
        read += said(&batch).iter().filter(|(_, text)| *text == "c0ffee").count() as u64;
        after = batch.number;
    }
    assert!(missed >= 500 && read <= 1_000, "{missed} missed, {read} read");

    logs.cancel();
    assert_eq!(logs.next(after, None).await, Err(TidewireError::Closed));
    drop(logs);
    // The last call may still be on its way out.
    let nobody_listens = async {
        while tracing::enabled!(target: "tidewire::test", tracing::Level::ERROR) {
            tokio::task::yield_now().await;
        }
    };
    let patience = std::time::Duration::from_secs(30);
    assert!(tokio::time::timeout(patience, nobody_listens).await.is_ok());
}
