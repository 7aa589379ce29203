//! Carries bytes between a viewer and the desktop, both ways, until one of them has enough. Knows no
//! job: it takes any two streams.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader, split};
use tokio::time::{Instant, timeout_at};

use super::rfb::Filter;

/// What is held of each direction. A frame of a desktop is often larger; more does not make it
/// faster.
const BUFFER_BYTES: usize = 64 * 1024;

/// The least that a viewer says before there is a picture: a version, and whether it shares.
const HANDSHAKE_BYTES: usize = 13;

/// How long it may take for that: no seat is for somebody who looks at nothing. It goes back and forth
/// four times.
const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(20);

/// Carries bytes. With a filter, only what it lets through reaches the desktop.
///
/// # Errors
/// When either side fails, or the viewer says what the filter does not know.
pub(crate) async fn carry<V, D>(viewer: V, desktop: D, filter: Option<Filter>) -> io::Result<()>
where
    V: AsyncRead + AsyncWrite,
    D: AsyncRead + AsyncWrite,
{
    let (said, mut shown) = split(viewer);
    let (picture, done) = split(desktop);
    let mut picture = BufReader::with_capacity(BUFFER_BYTES, picture);
    tokio::select! {
        shown = tokio::io::copy_buf(&mut picture, &mut shown) => shown.map(drop),
        done = tell(said, done, filter) => done,
    }
}

/// What the viewer says.
async fn tell(
    mut said: impl AsyncRead + Unpin,
    mut done: impl AsyncWrite + Unpin,
    mut filter: Option<Filter>,
) -> io::Result<()> {
    let (mut bytes, mut passed) = (vec![0; BUFFER_BYTES], vec![]);
    let (mut handshake, deadline) = (HANDSHAKE_BYTES, Instant::now() + HANDSHAKE_PATIENCE);
    loop {
        let read = said.read(&mut bytes);
        let count = match handshake {
            0 => read.await?,
            _ => timeout_at(deadline, read).await.map_err(|_| silent())??,
        };
        if count == 0 {
            return Ok(());
        }
        handshake = handshake.saturating_sub(count);
        let some = &bytes[..count];
        let some = match &mut filter {
            None => some,
            Some(filter) => {
                passed.clear();
                let fed = filter.feed(some, &mut passed);
                fed.map_err(|foul| io::Error::new(io::ErrorKind::InvalidData, foul))?;
                &passed
            }
        };
        done.write_all(some).await?;
        done.flush().await?;
    }
}

fn silent() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "it did not say in time how it wants the picture")
}

#[cfg(test)]
mod tests {
    use tokio::io::duplex;

    use super::*;

    const HELLO: &[u8] = b"RFB 003.008\n\x01\x01";
    const KEY: &[u8] = &[4, 1, 0, 0, 0, 0, 0, 97];
    const UPDATE: &[u8] = &[3, 0, 0, 0, 0, 0, 4, 0, 3, 0];

    /// What the desktop hears of all this before the viewer leaves.
    async fn heard(filter: Option<Filter>) -> (Vec<u8>, io::Result<()>) {
        let ((mut viewer, here), (there, mut desktop)) = (duplex(16), duplex(16));
        let carried = tokio::spawn(carry(here, there, filter));
        let said = [HELLO, KEY, UPDATE].concat();
        tokio::spawn(async move {
            viewer.write_all(&said).await.unwrap();
            viewer.shutdown().await.unwrap();
            // Kept open for what is shown.
            viewer.read_to_end(&mut vec![]).await
        });
        let mut heard = vec![];
        desktop.read_to_end(&mut heard).await.unwrap();
        (heard, carried.await.unwrap())
    }

    #[tokio::test]
    async fn who_controls_is_heard_word_for_word() {
        let (heard, end) = heard(None).await;
        end.unwrap();
        assert_eq!(heard, [HELLO, KEY, UPDATE].concat());
    }

    #[tokio::test]
    async fn who_watches_presses_no_key() {
        let (heard, end) = heard(Some(Filter::default())).await;
        end.unwrap();
        assert_eq!(heard, [HELLO, UPDATE].concat());
    }

    #[tokio::test]
    async fn the_picture_arrives_while_nothing_is_said() {
        let ((mut viewer, here), (there, mut desktop)) = (duplex(16), duplex(16));
        tokio::spawn(carry(here, there, Some(Filter::default())));
        let picture: Vec<u8> = (0..=255).cycle().take(200_000).collect();
        let shown = picture.clone();
        tokio::spawn(async move { desktop.write_all(&shown).await });
        let mut seen = vec![];
        viewer.read_to_end(&mut seen).await.unwrap();
        assert_eq!(seen, picture);
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_ask_for_the_picture_in_time_is_sent_away() {
        for (said, filter) in [
            (&b""[..], None),
            (b"", Some(Filter::default())),
            (&HELLO[..12], None),
            (&HELLO[..12], Some(Filter::default())),
        ] {
            let ((mut viewer, here), (there, _desktop)) = (duplex(64), duplex(64));
            viewer.write_all(said).await.unwrap();
            let carried = carry(here, there, filter);
            let carried = tokio::time::timeout(HANDSHAKE_PATIENCE * 2, carried).await;
            assert_eq!(carried.unwrap().unwrap_err().kind(), io::ErrorKind::TimedOut);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_asked_for_it_may_be_silent() {
        let ((mut viewer, here), (there, _desktop)) = (duplex(64), duplex(64));
        viewer.write_all(HELLO).await.unwrap();
        let carried = carry(here, there, Some(Filter::default()));
        tokio::time::timeout(HANDSHAKE_PATIENCE * 100, carried).await.unwrap_err();
    }

    #[tokio::test]
    async fn who_talks_nonsense_is_sent_away() {
        let ((mut viewer, here), (there, _desktop)) = (duplex(16), duplex(16));
        viewer.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
        let error = carry(here, there, Some(Filter::default())).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
