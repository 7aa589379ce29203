//! A step's output on its way from two pipes into reports: whole characters, in few and not too
//! small pieces. Bytes of one stream stay in order; what the other stream got within the
//! same [`PATIENCE`] comes before or after them as a whole.

use std::io;
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::process::{ChildStderr, ChildStdout};
use std::time::Duration;

use protocol::MAX_DATA_BYTES;
use rustix::io::read;
use tokio::net::unix::pipe::Receiver;
use tokio::time::{Instant, sleep_until};
use types::Stream;

/// How long a byte may wait for more. One that comes after a pause of this length waits for none.
const PATIENCE: Duration = Duration::from_millis(5);

/// The most a pipe holds: what Linux lets an ordinary user set.
const MAX_PIPE_BYTES: usize = 1024 * 1024;

/// Passes on everything until both pipes are closed, or all that could write to them is `over`:
/// what is kept in the background may hold them open. While `emit` waits, nothing is read.
pub(super) async fn pump(
    (stdout, stderr): (Option<ChildStdout>, Option<ChildStderr>),
    over: impl Future<Output = ()>,
    mut emit: impl AsyncFnMut(Stream, Vec<u8>),
) -> io::Result<()> {
    let mut out = Source::new(Stream::Stdout, stdout.map(OwnedFd::from))?;
    let mut err = Source::new(Stream::Stderr, stderr.map(OwnedFd::from))?;
    let mut emitted: Option<Instant> = None;
    let mut over = pin!(over);
    while out.pipe.is_some() || err.pipe.is_some() {
        let due = emitted.map_or_else(Instant::now, |emitted| emitted + PATIENCE);
        let read = tokio::select! {
            read = out.read(), if out.pipe.is_some() => { read?; Some(&out) }
            read = err.read(), if err.pipe.is_some() => { read?; Some(&err) }
            () = sleep_until(due), if out.buffer.is_ready() || err.buffer.is_ready() => None,
            () = &mut over => break,
        };
        if read.is_some_and(|source| !source.is_at_end()) && Instant::now() < due {
            continue;
        }
        for (stream, piece) in pieces([&mut out, &mut err]) {
            emit(stream, piece).await;
            emitted = Some(Instant::now());
        }
    }
    while out.pipe.is_some() || err.pipe.is_some() {
        out.read_last();
        err.read_last();
        for (stream, piece) in pieces([&mut out, &mut err]) {
            emit(stream, piece).await;
        }
    }
    Ok(())
}

/// All there is, of each stream one piece; what was read first goes first.
fn pieces(mut sources: [&mut Source; 2]) -> impl Iterator<Item = (Stream, Vec<u8>)> {
    sources.sort_by_key(|source| source.since);
    sources.into_iter().filter_map(Source::piece)
}

/// One pipe and what was read of it.
struct Source {
    stream: Stream,
    /// `None` once it is closed.
    pipe: Option<Receiver>,
    scratch: Vec<u8>,
    buffer: Buffer,
    /// When the first of the waiting bytes was read.
    since: Instant,
    /// How much may still be read once it is over.
    rest: usize,
}

impl Source {
    fn new(stream: Stream, pipe: Option<OwnedFd>) -> io::Result<Self> {
        let pipe = pipe.map(Receiver::from_owned_fd).transpose()?;
        let (scratch, buffer) = (vec![0; MAX_DATA_BYTES], Buffer::default());
        Ok(Self { stream, pipe, scratch, buffer, since: Instant::now(), rest: MAX_PIPE_BYTES })
    }

    /// Reads what there is, or waits for it; notes when the pipe is closed. Cancel-safe.
    async fn read(&mut self) -> io::Result<()> {
        let Some(pipe) = &self.pipe else { return Ok(()) };
        loop {
            pipe.readable().await?;
            if self.buffer.bytes.is_empty() {
                self.since = Instant::now();
            }
            let scratch = &mut self.scratch[..self.buffer.room()];
            match pipe.try_read(scratch) {
                Ok(0) => self.pipe = None,
                Ok(read) => self.buffer.bytes.extend_from_slice(&scratch[..read]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(error) => return Err(error),
            }
            return Ok(());
        }
    }

    /// Reads once more from a pipe into which nobody writes whom we wait for; it is done with when
    /// it is empty, or gave more than fits into a pipe. Asks the pipe itself, since the runtime may
    /// not know yet what is in there.
    fn read_last(&mut self) {
        let Some(pipe) = &self.pipe else { return };
        let scratch = &mut self.scratch[..self.buffer.room()];
        let read = if self.rest == 0 { 0 } else { read(pipe, scratch).unwrap_or_default() };
        self.buffer.bytes.extend_from_slice(&self.scratch[..read]);
        self.rest = self.rest.saturating_sub(read);
        if read == 0 {
            self.pipe = None;
        }
    }

    /// Whether nothing more can be read before its piece is taken.
    fn is_at_end(&self) -> bool {
        self.pipe.is_none() || self.buffer.room() == 0
    }

    fn piece(&mut self) -> Option<(Stream, Vec<u8>)> {
        let piece = if self.pipe.is_some() { self.buffer.take() } else { self.buffer.take_all() };
        (!piece.is_empty()).then_some((self.stream, piece))
    }
}

/// Bytes that wait, at most [`MAX_DATA_BYTES`].
#[derive(Debug, Default)]
struct Buffer {
    bytes: Vec<u8>,
}

impl Buffer {
    fn room(&self) -> usize {
        MAX_DATA_BYTES - self.bytes.len()
    }

    fn is_ready(&self) -> bool {
        whole_characters(&self.bytes) > 0
    }

    /// What ends with a whole character; a character cut in two stays.
    fn take(&mut self) -> Vec<u8> {
        let rest = self.bytes.split_off(whole_characters(&self.bytes));
        std::mem::replace(&mut self.bytes, rest)
    }

    fn take_all(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }
}

/// How many bytes are left without an unfinished UTF-8 character at the end. Of what is no text,
/// at most three bytes are held back.
fn whole_characters(bytes: &[u8]) -> usize {
    for (back, byte) in (1..=3).zip(bytes.iter().rev()) {
        let length = match byte {
            0x80..=0xBF => continue,
            0xC0..=0xDF => 2,
            0xE0..=0xEF => 3,
            0xF0.. => 4,
            _ => 1,
        };
        return if length > back { bytes.len() - back } else { bytes.len() };
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use std::io::{PipeWriter, Write as _, pipe};

    use std::future::{pending, ready};

    use super::*;
    use proptest::prelude::*;

    fn pipes() -> ((PipeWriter, PipeWriter), (Option<ChildStdout>, Option<ChildStderr>)) {
        let ((out, out_in), (err, err_in)) = (pipe().unwrap(), pipe().unwrap());
        let (out, err) = (OwnedFd::from(out).into(), OwnedFd::from(err).into());
        ((out_in, err_in), (Some(out), Some(err)))
    }

    #[tokio::test]
    async fn streams_that_take_turns_come_in_few_pieces() {
        const TURNS: usize = 5_000;
        let ((mut out, mut err), ends) = pipes();
        let took_turns = async move {
            for _ in 0..TURNS {
                out.write_all(b"o").unwrap();
                // The other side reads it.
                tokio::task::yield_now().await;
                err.write_all(b"e").unwrap();
                tokio::task::yield_now().await;
            }
        };
        let (mut pieces, mut said) = (0, String::new());
        let began = Instant::now();
        let pumped = pump(ends, pending(), async |_, piece| {
            pieces += 1;
            said.push_str(str::from_utf8(&piece).unwrap());
        });
        let ((), pumped) = tokio::join!(took_turns, pumped);
        pumped.unwrap();
        assert_eq!((said.matches('o').count(), said.matches('e').count()), (TURNS, TURNS));
        // Two at a time, and at both ends of the run.
        let most = 2 * (began.elapsed().as_millis() / PATIENCE.as_millis() + 3);
        assert!(pieces <= most, "{pieces} pieces, not {most}");
    }

    #[tokio::test]
    async fn what_is_in_a_pipe_at_the_end_is_not_lost_though_somebody_holds_it_open() {
        let ((mut out, _err), ends) = pipes();
        out.write_all(&[b'x'; 50_000]).unwrap();
        let mut bytes = 0;
        pump(ends, ready(()), async |_, piece| bytes += piece.len()).await.unwrap();
        assert_eq!(bytes, 50_000);
    }

    #[test]
    fn what_was_read_first_comes_first() {
        let mut out = Source::new(Stream::Stdout, None).unwrap();
        let mut err = Source::new(Stream::Stderr, None).unwrap();
        for order in [[Stream::Stdout, Stream::Stderr], [Stream::Stderr, Stream::Stdout]] {
            out.buffer.bytes.push(b'o');
            err.buffer.bytes.push(b'e');
            let late = if order[0] == Stream::Stdout { &mut err } else { &mut out };
            late.since += PATIENCE;
            let streams: Vec<_> = pieces([&mut out, &mut err]).map(|(stream, _)| stream).collect();
            assert_eq!(streams, order);
            err.since = out.since;
        }
    }

    #[test]
    fn a_cut_character_waits_for_its_rest() {
        let euro = "€".as_bytes();
        assert_eq!(whole_characters(&[b"1 ", &euro[..2]].concat()), 2);
        assert_eq!(whole_characters(&[b"1 ", euro].concat()), 5);
        assert_eq!(whole_characters(&"🦀".as_bytes()[..1]), 0);
        assert_eq!(whole_characters(b"\x80\x80\x80\x80"), 4, "no text, nothing to wait for");
    }

    proptest! {
        #[test]
        fn text_is_cut_between_characters(text in "\\PC*", cut in any::<prop::sample::Index>()) {
            let cut = cut.index(text.len() + 1);
            let mut buffer = Buffer { bytes: text.as_bytes()[..cut].into() };
            let first = buffer.take();
            prop_assert!(str::from_utf8(&first).is_ok());
            prop_assert!(first.len() + 3 >= cut);
            buffer.bytes.extend_from_slice(&text.as_bytes()[cut..]);
            prop_assert_eq!([first, buffer.take_all()].concat(), text.as_bytes());
        }

        #[test]
        fn nothing_is_lost_of_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..50)) {
            let mut buffer = Buffer { bytes: bytes.clone() };
            let taken = buffer.take();
            prop_assert!(taken.len() + 3 >= bytes.len());
            prop_assert_eq!([taken, buffer.take_all()].concat(), bytes);
        }
    }
}
