//! What a viewer says to a VNC server (RFB, RFC 6143), read as far as is needed to let through what
//! somebody who only watches may say. Pure.
//!
//! What passes is passed whole, and has one length whatever was negotiated; so the server takes each
//! message for what we took it for. What may be longer for some servers is never passed, and the
//! encodings by which a server allows that are taken out of the viewer's list. The length of a
//! message of unknown kind is unknown too: it ends the connection.

/// Encodings that change what messages look like: extended mouse buttons, extended clipboard.
const CHANGING: [i32; 2] = [-316, 0xc0a1_e5ce_u32.cast_signed()];

/// The most encodings a viewer may list; viewers know some thirty.
const MAX_ENCODINGS: usize = 256;

/// The longest payload of a fence, as its specification has it.
const MAX_FENCE: usize = 64;

/// Why a viewer cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Foul {
    /// It speaks something else.
    #[error("it does not speak RFB 3.3, 3.7 or 3.8")]
    Version,
    /// It wants a protection that a sandbox does not offer.
    #[error("it chose security type {0}; only 1 (none) is offered")]
    Security(u8),
    /// A message whose length nobody knows.
    #[error("it sent a message of unknown kind {0}")]
    Unknown(u8),
    /// Longer than any viewer makes it.
    #[error("it sent a message of kind {0} that is too long")]
    TooLong(u8),
}

/// Lets through what a watcher may say.
#[derive(Debug, Default)]
pub(crate) struct Filter {
    stage: Stage,
    /// The beginning of a message that is not whole yet.
    held: Vec<u8>,
    /// What is still to come of a message that is not passed.
    skip: usize,
}

#[derive(Clone, Copy, Debug, Default)]
enum Stage {
    #[default]
    Version,
    Security,
    Init,
    Messages,
}

impl Filter {
    /// Takes what the viewer sent, and puts what may pass behind `out`.
    pub(crate) fn feed(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Foul> {
        let skipped = self.skip.min(bytes.len());
        self.skip -= skipped;
        self.held.extend_from_slice(&bytes[skipped..]);
        let held = std::mem::take(&mut self.held);
        let mut rest = &held[..];
        while let Some(length) = self.next(rest, out)? {
            self.skip = length.saturating_sub(rest.len());
            rest = rest.get(length..).unwrap_or_default();
        }
        self.held = rest.to_vec();
        Ok(())
    }

    /// The length of what comes next, which may reach beyond what is there; none if that cannot be
    /// told yet.
    fn next(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<Option<usize>, Foul> {
        let (stage, length) = match self.stage {
            Stage::Messages => return message(bytes, out),
            Stage::Version => match bytes.first_chunk() {
                None => return Ok(None),
                // Then the server decides how the viewer is known, and the viewer says nothing.
                Some(b"RFB 003.003\n") => (Stage::Init, 12),
                Some(b"RFB 003.007\n" | b"RFB 003.008\n") => (Stage::Security, 12),
                Some(_) => return Err(Foul::Version),
            },
            Stage::Security => match bytes.first() {
                None => return Ok(None),
                Some(1) => (Stage::Init, 1),
                Some(other) => return Err(Foul::Security(*other)),
            },
            Stage::Init if bytes.is_empty() => return Ok(None),
            Stage::Init => {
                self.stage = Stage::Messages;
                // Shared: who watches sends nobody away.
                out.push(1);
                return Ok(Some(1));
            }
        };
        self.stage = stage;
        out.extend_from_slice(&bytes[..length]);
        Ok(Some(length))
    }
}

/// One message after the handshake.
fn message(bytes: &[u8], out: &mut Vec<u8>) -> Result<Option<usize>, Foul> {
    let Some(kind) = bytes.first() else { return Ok(None) };
    match kind {
        // Set the pixel format; ask for an update; let updates come by themselves.
        0 => Ok(pass(bytes, 20, out)),
        3 | 150 => Ok(pass(bytes, 10, out)),
        2 => encodings(bytes, out),
        248 => fence(bytes, out),
        // A key; the pointer; shut down; what is in the clipboard, of which an extended one has a
        // negative length; another size; a key with its scan code.
        4 => Ok(Some(8)),
        5 => Ok(Some(6)),
        250 => Ok(Some(4)),
        6 => Ok(be_i32(bytes, 4).map(|text| 8 + text.unsigned_abs() as usize)),
        251 => Ok(bytes.get(6).map(|screens| 8 + 16 * usize::from(*screens))),
        255 => match bytes.get(1) {
            None => Ok(None),
            Some(0) => Ok(Some(12)),
            Some(_) => Err(Foul::Unknown(255)),
        },
        other => Err(Foul::Unknown(*other)),
    }
}

/// A message of this length, once it is whole.
fn pass(bytes: &[u8], length: usize, out: &mut Vec<u8>) -> Option<usize> {
    out.extend_from_slice(bytes.get(..length)?);
    Some(length)
}

/// The list of what the viewer understands, without what would change its messages.
fn encodings(bytes: &[u8], out: &mut Vec<u8>) -> Result<Option<usize>, Foul> {
    let Some([high, low]) = bytes.get(2..4) else { return Ok(None) };
    let count = usize::from(u16::from_be_bytes([*high, *low]));
    if count > MAX_ENCODINGS {
        return Err(Foul::TooLong(2));
    }
    let length = 4 + 4 * count;
    let Some(list) = bytes.get(4..length) else { return Ok(None) };
    let (list, _) = list.as_chunks::<4>();
    let kept: Vec<_> =
        list.iter().filter(|code| !CHANGING.contains(&i32::from_be_bytes(**code))).collect();
    // As many as there were fit, so fewer do.
    let count = u16::try_from(kept.len()).unwrap_or_default().to_be_bytes();
    out.extend([2, 0, count[0], count[1]]);
    out.extend(kept.into_iter().flatten());
    Ok(Some(length))
}

/// A mark in the stream that the other side sends back.
fn fence(bytes: &[u8], out: &mut Vec<u8>) -> Result<Option<usize>, Foul> {
    match bytes.get(8).map(|length| usize::from(*length)) {
        None => Ok(None),
        Some(payload) if payload > MAX_FENCE => Err(Foul::TooLong(248)),
        Some(payload) => Ok(pass(bytes, 9 + payload, out)),
    }
}

fn be_i32(bytes: &[u8], at: usize) -> Option<i32> {
    bytes.get(at..)?.first_chunk().map(|bytes| i32::from_be_bytes(*bytes))
}

#[cfg(test)]
#[path = "rfb_tests.rs"]
mod tests;
