//! What open rooms cost in memory, in a process of its own.

use std::path::Path;
use std::time::Duration;

use super::Error;
use super::database::{NOWHERE, client};
use super::reads::rows_of;
use super::wire::room_id;

/// Run in the child: prints what the open rooms take over the idle client, in bytes, and what the
/// client reckons itself.
pub async fn child(data: &Path, rooms: u64) -> Result<(), Error> {
    let client = client(NOWHERE, data).await?;
    client.rooms().await?;
    // Once around, so that what any room needs is there.
    rows_of(&client.room(room_id(rooms).parse()?).timeline().await?).await?;
    let before = resident().ok_or("the platform does not tell")?;
    let mut open = Vec::new();
    for room in 0..rooms {
        let timeline = client.room(room_id(room).parse()?).timeline().await?;
        let mut rows = rows_of(&timeline).await?;
        // 500 messages, unless memory is short.
        let mut number = 1;
        for _ in 0..9 {
            if timeline.load_older(50).await?.added > 0 {
                let batch = timeline.next_after(number).await?;
                number = batch.number;
                batch.update.apply(&mut rows);
            }
        }
        // A reader asks for what comes next, and so acknowledges what it has.
        let _ = tokio::time::timeout(Duration::from_millis(5), timeline.next_after(number)).await;
        // What the app holds of it is the app's.
        rows.clear();
        open.push(timeline);
    }
    let report = client.cache_report().await?;
    let after = resident().ok_or("the platform does not tell")?;
    let grown = after.saturating_sub(before);
    println!("{grown} {} {}", report.memory.bytes, report.messages_in_memory);
    client.close().await;
    Ok(())
}

/// What `child` found: bytes by the system, bytes by the client's own account, messages. glibc keeps an
/// arena for each thread, and gives back little of any: how many, if not what it takes by itself.
pub(super) fn measure(
    data: &Path,
    rooms: u64,
    arenas: Option<u32>,
) -> Result<(f64, f64, f64), Error> {
    let mut child = std::process::Command::new(std::env::current_exe()?);
    child.args(["store-memory", "--rooms", &rooms.to_string(), "--data"]).arg(data);
    if let Some(arenas) = arenas {
        child.env("MALLOC_ARENA_MAX", arenas.to_string());
    }
    let output = child.output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    let mut numbers = said.split_whitespace().filter_map(|word| word.parse::<f64>().ok());
    match (numbers.next(), numbers.next(), numbers.next()) {
        (Some(grown), Some(reckoned), Some(messages)) => Ok((grown, reckoned, messages)),
        _ => Err(String::from_utf8_lossy(&output.stderr).into_owned().into()),
    }
}

fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib * 1024)
}
