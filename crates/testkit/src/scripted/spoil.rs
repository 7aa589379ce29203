//! What faults do to an answer on its way.

use bytes::{BufMut as _, Bytes, BytesMut};

use super::Fault;
use super::wire::{Ending, Wire};

/// What comes instead of an answer that means nothing.
const GARBAGE: &[u8] = b"\x00\xff\xfe\x1f\x8b\x08\x00{\x80\x80\xc3(data: \xf0\x28\x8c\x28\n\n\x00";

/// The answer as it arrives. `error` is the frame of an error within a stream.
pub(super) fn spoil(mut wire: Wire, fault: &Fault, error: Bytes) -> Wire {
    match fault {
        Fault::Stall { after_frames } => end(&mut wire, *after_frames, Ending::Never),
        Fault::CutFrames { after_frames } => end(&mut wire, *after_frames, Ending::Broken),
        Fault::EndEarly { after_frames } => end(&mut wire, *after_frames, Ending::Orderly),
        Fault::ErrorInside { after_frames } => {
            end(&mut wire, *after_frames, Ending::Orderly);
            wire.frames.push(error);
        }
        Fault::Cut { at_byte } => {
            let mut all = joined(&wire.frames);
            all.truncate(*at_byte);
            wire.frames = vec![all];
            wire.ending = Ending::Broken;
        }
        Fault::Garbage => wire.frames = vec![GARBAGE.into()],
        Fault::SplitUtf8 => {
            wire.frames = split(&joined(&wire.frames));
            wire.pause = std::time::Duration::from_millis(1);
        }
        Fault::Crlf => wire.frames = wire.frames.iter().map(other_lines).collect(),
        Fault::Comments => comment(&mut wire),
        _ => {}
    }
    wire
}

/// Only so many frames; half of an answer in one piece.
fn end(wire: &mut Wire, after_frames: usize, ending: Ending) {
    wire.ending = ending;
    if wire.whole {
        let all = joined(&wire.frames);
        wire.frames = vec![all.slice(..all.len() / 2)];
    } else {
        wire.frames.truncate(after_frames);
    }
}

fn joined(frames: &[Bytes]) -> Bytes {
    let mut all = BytesMut::new();
    frames.iter().for_each(|frame| all.put_slice(frame));
    all.freeze()
}

/// Cut within every character of more than one byte.
fn split(all: &Bytes) -> Vec<Bytes> {
    let starts = (1..all.len()).filter(|at| all[at - 1] >= 0xc0);
    let mut frames = Vec::new();
    let mut from = 0;
    for at in starts {
        frames.push(all.slice(from..at));
        from = at;
    }
    frames.push(all.slice(from..));
    frames
}

fn other_lines(frame: &Bytes) -> Bytes {
    let text = String::from_utf8_lossy(frame);
    if text.contains("\r\n") { text.replace("\r\n", "\n") } else { text.replace('\n', "\r\n") }
        .into()
}

/// Between server-sent events, comments and fields that nobody knows; between lines, empty ones.
fn comment(wire: &mut Wire) {
    let lines = wire.headers.iter().any(|(_, value)| value.contains("ndjson"));
    let comment: &[u8] = if lines { b"\n" } else { b": keep-alive\n\nretry: 3000\n\n" };
    let comment = Bytes::from_static(comment);
    let frames = wire.frames.drain(..).flat_map(|frame| [comment.clone(), frame]);
    wire.frames = frames.collect();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_split_and_nothing_is_lost() {
        let all = Bytes::from("aüb€c");
        let frames = split(&all);
        assert!(frames.iter().any(|f| std::str::from_utf8(f).is_err()), "{frames:?}");
        assert_eq!(joined(&frames), all);
    }

    #[test]
    fn line_ends_are_turned_round() {
        assert_eq!(other_lines(&"a\n\n".into()), "a\r\n\r\n");
        assert_eq!(other_lines(&"a\r\n\r\n".into()), "a\n\n");
    }
}
