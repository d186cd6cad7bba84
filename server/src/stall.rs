//! A connection that fails once its peer has taken nothing for too long: below HTTP and sockets,
//! so that it holds for whatever is written. Who is slow but takes something is never cut. Only the head of a request
//! has to be whole in a given time, however it trickles: until then nobody knows what it is good for.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// The requests of a connection, as the layer above tells of them.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    begun: AtomicU32,
    ended: AtomicU32,
}

impl Requests {
    /// The head of one is whole.
    pub(crate) fn begin(&self) {
        self.begun.fetch_add(1, Ordering::Relaxed);
    }

    /// It was answered, and another may follow. Never said of one that made a socket of the connection.
    pub(crate) fn end(&self) {
        self.ended.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether there was one.
    pub(crate) fn any(&self) -> bool {
        self.begun.load(Ordering::Relaxed) > 0
    }

    /// How many there were, if none of them is being answered.
    fn between(&self) -> Option<u32> {
        let begun = self.begun.load(Ordering::Relaxed);
        (begun == self.ended.load(Ordering::Relaxed)).then_some(begun)
    }
}

/// Time for the heads of requests.
struct Heads {
    requests: Arc<Requests>,
    limit: Duration,
    /// Runs from the first byte of a head on; with it, how many requests there were before.
    arriving: Option<(u32, Pin<Box<Sleep>>)>,
}

impl Heads {
    /// What a read came to, and whether it brought anything.
    fn watch(&mut self, cx: &mut Context<'_>, read: Poll<bool>) -> Poll<io::Result<()>> {
        let between = self.requests.between();
        if self.arriving.as_ref().is_some_and(|(before, _)| between != Some(*before)) {
            self.arriving = None;
        }
        match (read, between, &mut self.arriving) {
            (Poll::Ready(true), Some(before), None) => {
                self.arriving = Some((before, Box::pin(sleep(self.limit))));
            }
            (Poll::Pending, _, Some((_, late))) => {
                return late.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()));
            }
            _ => {}
        }
        read.map(|_| Ok(()))
    }
}

/// A stream whose writes fail with [`io::ErrorKind::TimedOut`] after `limit` without progress.
pub(crate) struct Stalling<S> {
    stream: S,
    limit: Duration,
    /// Runs while a write waits. Made only then: most writes never do.
    stalled: Option<Pin<Box<Sleep>>>,
    heads: Option<Heads>,
}

impl<S> Stalling<S> {
    pub(crate) fn new(stream: S, limit: Duration) -> Self {
        Self { stream, limit, stalled: None, heads: None }
    }

    /// The same with a time for the heads of requests.
    pub(crate) fn with_heads(mut self, requests: Arc<Requests>, limit: Duration) -> Self {
        self.heads = Some(Heads { requests, limit, arriving: None });
        self
    }

    /// What a write came to: any progress starts the time anew.
    fn watch<T>(
        &mut self,
        cx: &mut Context<'_>,
        write: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if write.is_ready() {
            self.stalled = None;
            return write;
        }
        let limit = self.limit;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(limit)));
        stalled.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Stalling<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        let Some(heads) = &mut self.heads else { return read };
        let brought = match &read {
            Poll::Ready(Ok(())) => Poll::Ready(buf.filled().len() > before),
            Poll::Ready(Err(_)) => return read,
            Poll::Pending => Poll::Pending,
        };
        heads.watch(cx, brought)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Stalling<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let write = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.watch(cx, write)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let write = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.watch(cx, write)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    const LIMIT: Duration = Duration::from_millis(200);

    #[tokio::test]
    async fn who_takes_nothing_is_cut() {
        let (mine, _theirs) = duplex(64);
        let mut mine = Stalling::new(mine, LIMIT);
        let started = Instant::now();
        let error = mine.write_all(&[0; 65]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(started.elapsed() >= LIMIT);
        // Whoever tries again does not wait again.
        let started = Instant::now();
        assert!(mine.write_all(&[0]).await.is_err());
        assert!(started.elapsed() < LIMIT);
    }

    #[tokio::test]
    async fn who_takes_it_in_small_pieces_is_not_cut_however_long_it_takes() {
        let (mine, mut theirs) = duplex(64);
        let mut mine = Stalling::new(mine, LIMIT);
        let started = Instant::now();
        let reader = async {
            let mut piece = [0; 64];
            for _ in 0..20 {
                tokio::time::sleep(LIMIT / 8).await;
                theirs.read_exact(&mut piece).await?;
            }
            Ok(())
        };
        tokio::try_join!(mine.write_all(&[0; 20 * 64]), reader).unwrap();
        assert!(started.elapsed() > 2 * LIMIT);
    }

    #[tokio::test]
    async fn a_pause_between_two_writes_is_no_stall() {
        let (mine, mut theirs) = duplex(64);
        let mut mine = Stalling::new(mine, LIMIT);
        mine.write_all(&[0; 64]).await.unwrap();
        tokio::time::sleep(2 * LIMIT).await;
        theirs.read_exact(&mut [0; 64]).await.unwrap();
        mine.write_all(&[0; 64]).await.unwrap();
    }
}
