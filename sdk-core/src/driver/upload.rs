//! Puts a part of a file to its address: read from the client's copy as it leaves, so that no more than a
//! few chunks of it are in memory, and without anything that says whose it is.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use md5::{Digest, Md5};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::http::Http;
use super::traffic::Traffic;
use crate::defaults;
use crate::engine::{CopyTrouble, PartNews, PartPut};

/// Chunks that wait between the disk and the network.
const CHUNKS: usize = 2;

/// Puts a part. `tell` hears how many bytes of it have left, not more often than a timeline may show it.
/// Waits as long as anything moves.
pub(super) async fn put(
    http: &Http,
    copy: PathBuf,
    put: PartPut,
    tell: impl Fn(PartNews),
) -> PartNews {
    let trouble = Arc::new(Mutex::new(None));
    let (md5_told, md5) = oneshot::channel();
    let (chunks_told, chunks) = mpsc::channel(CHUNKS);
    let (length, reading) = (put.length, trouble.clone());
    let part = Part { copy, size: put.size, offset: put.offset, length };
    tokio::task::spawn_blocking(move || {
        if let Err(found) = part.read(md5_told, &chunks_told) {
            *reading.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
        }
    });
    let found = || trouble.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Ok(md5) = md5.await else {
        return PartNews::Copy(found().unwrap_or(CopyTrouble::Unreadable));
    };
    let left = Arc::new(AtomicU64::new(0));
    let body = PartBody { chunks, length, left: left.clone(), traffic: http.traffic.clone() };
    let url =
        if put.part.url.starts_with('/') { http.address.http(&put.part.url) } else { put.part.url };
    let mut request = http.client.put(url).body(reqwest::Body::wrap(body));
    for (name, value) in put.part.headers {
        request = request.header(name, value);
    }
    let request = request.header("content-md5", md5);
    let answered = async {
        let mut response = request.send().await?;
        let status = response.status();
        // So that the connection can be used again; what it says is not the server's word.
        while let Some(chunk) = response.chunk().await? {
            http.traffic.receives(chunk.len());
        }
        Ok::<_, reqwest::Error>(status.as_u16())
    };
    tokio::pin!(answered);
    let mut ticks = tokio::time::interval(defaults::PROGRESS_PAUSE);
    let (mut told, mut moved) = (0, Instant::now());
    loop {
        tokio::select! {
            answer = &mut answered => return match (found(), answer) {
                (Some(trouble), _) => PartNews::Copy(trouble),
                (None, Ok(status)) => judge(status),
                (None, Err(error)) => {
                    PartNews::Trouble(super::http::trouble(&error.without_url()).to_string())
                }
            },
            _ = ticks.tick() => {
                let now = left.load(Ordering::Relaxed);
                if now > told {
                    (told, moved) = (now, Instant::now());
                    tell(PartNews::Sent(now));
                } else if moved.elapsed() > defaults::UPLOAD_SILENCE {
                    return PartNews::Trouble("nothing moves any more".into());
                }
            }
        }
    }
}

/// What a store means by a status: see the protocol's rules of files.
fn judge(status: u16) -> PartNews {
    match status {
        200..300 => PartNews::Stored,
        400 | 403 | 404 | 422 => PartNews::Refused { status },
        _ => PartNews::Trouble(format!("the store answered {status}")),
    }
}

/// A part of a copy.
struct Part {
    copy: PathBuf,
    size: u64,
    offset: u64,
    length: u64,
}

impl Part {
    /// Reads it twice: for its checksum, which goes ahead, and chunk by chunk as it leaves. Blocks. Ends early
    /// once nobody wants more.
    fn read(
        &self,
        md5: oneshot::Sender<String>,
        chunks: &mpsc::Sender<Bytes>,
    ) -> Result<(), CopyTrouble> {
        let mut file = File::open(&self.copy).map_err(|error| of(&error))?;
        if file.metadata().map_err(|error| of(&error))?.len() != self.size {
            return Err(CopyTrouble::Changed);
        }
        let mut hash = Md5::new();
        self.each_chunk(&mut file, |chunk| {
            hash.update(&chunk);
            true
        })?;
        if md5.send(STANDARD.encode(hash.finalize())).is_err() {
            return Ok(());
        }
        self.each_chunk(&mut file, |chunk| chunks.blocking_send(chunk).is_ok())
    }

    fn each_chunk(
        &self,
        file: &mut File,
        mut take: impl FnMut(Bytes) -> bool,
    ) -> Result<(), CopyTrouble> {
        file.seek(SeekFrom::Start(self.offset)).map_err(|error| of(&error))?;
        let mut left = self.length;
        while left > 0 {
            let most = left.min(defaults::UPLOAD_CHUNK as u64);
            let mut chunk = vec![0; usize::try_from(most).unwrap_or(defaults::UPLOAD_CHUNK)];
            file.read_exact(&mut chunk).map_err(|error| of(&error))?;
            left -= most;
            if !take(chunk.into()) {
                return Ok(());
            }
        }
        Ok(())
    }
}

fn of(error: &std::io::Error) -> CopyTrouble {
    match error.kind() {
        ErrorKind::NotFound => CopyTrouble::Missing,
        ErrorKind::UnexpectedEof => CopyTrouble::Changed,
        _ => CopyTrouble::Unreadable,
    }
}

/// The body of the request: its length is known, so that it is told.
struct PartBody {
    chunks: mpsc::Receiver<Bytes>,
    /// Bytes that are still to come.
    length: u64,
    /// Bytes that the connection has taken.
    left: Arc<AtomicU64>,
    traffic: Arc<Traffic>,
}

impl Body for PartBody {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        if self.length == 0 {
            return Poll::Ready(None);
        }
        let Some(chunk) = ready!(self.chunks.poll_recv(context)) else {
            return Poll::Ready(Some(Err(std::io::Error::other("the copy ended"))));
        };
        let bytes = chunk.len() as u64;
        self.length = self.length.saturating_sub(bytes);
        self.traffic.sends(chunk.len());
        self.left.fetch_add(bytes, Ordering::Relaxed);
        Poll::Ready(Some(Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.length == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length)
    }
}
