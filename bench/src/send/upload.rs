//! A file that is uploaded over a network that is cut again and again: what of it goes out twice.

use std::path::Path;
use std::time::Duration;

use tidewire::{Client, MessageContent, NewFile, Row, SendOptions, UserId};
use tidewire_server::Server;

use super::Error;
use crate::proxy::{Fault, Proxy};

/// What the server's own store makes parts of, in bytes.
pub(super) const PART: u64 = 1024 * 1024;

/// Bytes a second: a part takes long enough that a cut comes in the middle of it. Without it a part is in the kernel's
/// buffers as soon as it begins, and each cut loses all of it.
const SLOW: Fault = Fault::Rate(16 * 1024 * 1024);

/// What one upload took.
#[derive(Debug)]
pub(super) struct Upload {
    /// Bytes that reached the server, all that was said of them included.
    pub(super) bytes: f64,
    /// From the call to the message in the log, in s.
    pub(super) seconds: f64,
}

/// Uploads so many bytes, cut so many times.
pub(super) async fn measure(
    server: &Server,
    folder: &Path,
    (size, cuts): (u64, u64),
) -> Result<Upload, Error> {
    let proxy = Proxy::start(server.addr()).await?;
    let user: UserId = "uploader".parse()?;
    let token = server.keys().mint(&user, Duration::from_secs(3_600))?;
    let builder = Client::builder(proxy.url(), user).token(token);
    let client = builder.data_dir(folder.join("uploader")).open().await?;
    let room = client.create_group("Files", Vec::new()).await?;
    let mut timeline = room.timeline().await?;
    let path = folder.join("film.mp4");
    let bytes: Vec<u8> = (0..size).map(|at| (at / 3 + at / 4099).to_le_bytes()[0]).collect();
    std::fs::write(&path, bytes)?;
    proxy.set(SLOW);
    let before = proxy.counters().bytes_up;
    let begun = std::time::Instant::now();
    let files = vec![NewFile::at(&path)];
    let id = room.send_files(MessageContent::default(), files, SendOptions::default()).await?;
    for cut in 1..=cuts {
        // At another place of a part each time.
        let far = before + cut * (size / (cuts + 1)) + cut * PART / (cuts + 1);
        proxy.until(|counters| counters.bytes_up >= far).await;
        proxy.cut().await;
        proxy.set(SLOW);
    }
    let mut rows: Vec<Row> = Vec::new();
    let sent = |rows: &[Row]| {
        let mut messages = rows.iter().filter_map(Row::message);
        messages.any(|message| message.id == id && message.state.is_sent())
    };
    while !sent(&rows) {
        timeline.next().await?.update.apply(&mut rows);
    }
    let seconds = begun.elapsed().as_secs_f64();
    let bytes = (proxy.counters().bytes_up - before) as f64;
    client.close().await;
    std::fs::remove_file(path)?;
    Ok(Upload { bytes, seconds })
}
