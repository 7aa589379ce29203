//! Bytes both ways between two streams.

use std::io;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::time::timeout;

/// Per direction; with 256 connections of a job that makes 8 MiB.
const BUFFER_BYTES: usize = 16 * 1024;

/// How long the other direction may be silent when one has ended: most likely whoever closed its
/// stream is gone, and its place is needed.
const PATIENCE: Duration = Duration::from_secs(60);

/// Copies until both sides have ended, or one breaks. A side that ends what it says still hears the
/// other one, until that is silent for a minute or two.
pub async fn relay<A, B>(a: A, b: B)
where
    A: AsyncRead + AsyncWrite,
    B: AsyncRead + AsyncWrite,
{
    let ((from_a, to_a), (from_b, to_b)) = (split(a), split(b));
    let moved = AtomicU64::new(0);
    let mut there = pin!(one_way(from_a, to_b, &moved));
    let mut back = pin!(one_way(from_b, to_a, &moved));
    // How it ends is between those two.
    tokio::select! {
        ended = &mut there => if ended.is_ok() { the_rest(back, &moved).await },
        ended = &mut back => if ended.is_ok() { the_rest(there, &moved).await },
    }
}

async fn one_way(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    moved: &AtomicU64,
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            return to.shutdown().await;
        }
        to.write_all(&buffer[..read]).await?;
        moved.fetch_add(1, Ordering::Relaxed);
    }
}

async fn the_rest(mut way: Pin<&mut impl Future<Output = io::Result<()>>>, moved: &AtomicU64) {
    loop {
        let before = moved.load(Ordering::Relaxed);
        let is_over = timeout(PATIENCE, way.as_mut()).await.is_ok();
        if is_over || moved.load(Ordering::Relaxed) == before {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{DuplexStream, duplex};
    use tokio::task::{JoinHandle, spawn};
    use tokio::time::{Instant, sleep};

    fn start() -> (DuplexStream, DuplexStream, JoinHandle<()>) {
        let ((a, near_a), (b, near_b)) = (duplex(64), duplex(64));
        (a, b, spawn(relay(near_a, near_b)))
    }

    #[tokio::test(start_paused = true)]
    async fn as_long_as_nobody_ends_silence_is_fine() {
        let (mut a, mut b, _relay) = start();
        sleep(PATIENCE * 100).await;
        a.write_all(b"x").await.unwrap();
        assert_eq!(b.read_u8().await.unwrap(), b'x');
    }

    #[tokio::test(start_paused = true)]
    async fn the_other_direction_may_take_its_time_but_not_be_silent() {
        let (mut a, mut b, relay) = start();
        a.shutdown().await.unwrap();
        assert_eq!(b.read(&mut [0]).await.unwrap(), 0);
        for _ in 0..10 {
            sleep(PATIENCE / 2).await;
            b.write_all(b"x").await.unwrap();
            assert_eq!(a.read_u8().await.unwrap(), b'x');
        }
        let silent = Instant::now();
        relay.await.unwrap();
        assert!(silent.elapsed() <= PATIENCE * 2, "{:?}", silent.elapsed());
        assert_eq!(a.read(&mut [0]).await.unwrap(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn one_who_does_not_listen_is_silent_too() {
        let (mut a, mut b, relay) = start();
        a.shutdown().await.unwrap();
        // More than fits in between, and nobody reads it.
        drop(b.write_all(&[0; 1024]).await);
        relay.await.unwrap();
    }
}
