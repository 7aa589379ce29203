use std::io;
use std::marker::PhantomData;

use bytes::{BufMut as _, BytesMut};
use futures_util::StreamExt as _;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio_util::codec::{FramedRead, LengthDelimitedCodec};

use super::{MAX_BODY_BYTES, Message};

/// Says something; to be said to its end before the next. A body is at most [`MAX_BODY_BYTES`].
///
/// # Errors
/// When the connection broke.
pub async fn send(to: &mut (impl AsyncWrite + Unpin), message: &impl Message) -> io::Result<()> {
    let (kind, body) = message.parts();
    let mut frame = BytesMut::with_capacity(5 + body.len());
    frame.put_u32(u32::try_from(1 + body.len()).map_err(io::Error::other)?);
    frame.put_u8(kind);
    frame.put(body);
    to.write_all(&frame).await?;
    to.flush().await
}

/// What the other side says.
#[derive(Debug)]
pub struct Incoming<R, M> {
    frames: FramedRead<R, LengthDelimitedCodec>,
    what: PhantomData<M>,
}

impl<R: AsyncRead + Unpin, M: Message> Incoming<R, M> {
    /// By this connection.
    pub fn new(from: R) -> Self {
        let mut codec = LengthDelimitedCodec::builder();
        let frames = codec.max_frame_length(1 + MAX_BODY_BYTES).new_read(from);
        Self { frames, what: PhantomData }
    }

    /// The next; `None` after the last. Cancel-safe.
    ///
    /// # Errors
    /// When the connection broke, or it is nothing that can be understood.
    pub async fn next(&mut self) -> io::Result<Option<M>> {
        let Some(frame) = self.frames.next().await.transpose()? else { return Ok(None) };
        let mut body = frame.freeze();
        let kind = (!body.is_empty()).then(|| body.split_to(1)[0]);
        let message = kind.and_then(|kind| M::from_parts(kind, body));
        let foul = || io::Error::new(io::ErrorKind::InvalidData, "a frame that says nothing");
        message.map(Some).ok_or_else(foul)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use bytes::Bytes;

    use super::*;
    use crate::shell::{FromShell, Signal, Size, Start, Terminal, ToShell};

    fn all<M: Message>(bytes: &[u8]) -> io::Result<Vec<M>> {
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        let mut incoming = Incoming::new(bytes);
        let mut all = vec![];
        while let Some(message) = runtime.block_on(incoming.next())? {
            all.push(message);
        }
        Ok(all)
    }

    fn sent<M: Message>(messages: &[M]) -> Vec<u8> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut bytes = vec![];
        for message in messages {
            runtime.block_on(send(&mut bytes, message)).unwrap();
        }
        bytes
    }

    fn bytes() -> impl Strategy<Value = Bytes> {
        prop::collection::vec(any::<u8>(), 0..300).prop_map(Bytes::from)
    }

    fn to_shell() -> impl Strategy<Value = ToShell> {
        let size = any::<(u16, u16)>().prop_map(|(rows, cols)| Size { rows, cols });
        let terminal = prop::option::of(("[a-z0-9-]{1,9}", size.clone()));
        let start = (prop::collection::vec(any::<String>(), 0..4), terminal);
        prop_oneof![
            start.prop_map(|(command, terminal)| {
                let terminal = terminal.map(|(kind, size)| Terminal { kind, size });
                ToShell::Start(Start { command, terminal })
            }),
            bytes().prop_map(ToShell::Input),
            Just(ToShell::InputEnd),
            size.prop_map(ToShell::Resize),
            Just(ToShell::Signal(Signal::Interrupt)),
            Just(ToShell::Signal(Signal::Terminate)),
        ]
    }

    fn from_shell() -> impl Strategy<Value = FromShell> {
        prop_oneof![
            bytes().prop_map(FromShell::Output),
            bytes().prop_map(FromShell::Errors),
            any::<i32>().prop_map(FromShell::Exit),
            any::<u32>().prop_map(FromShell::Taken),
        ]
    }

    proptest! {
        #[test]
        fn what_is_said_is_understood(
            to in prop::collection::vec(to_shell(), 0..5),
            from in prop::collection::vec(from_shell(), 0..5),
        ) {
            prop_assert_eq!(all::<ToShell>(&sent(&to)).unwrap(), to);
            prop_assert_eq!(all::<FromShell>(&sent(&from)).unwrap(), from);
        }

        #[test]
        fn rubbish_is_no_more_than_refused(bytes in bytes()) {
            drop((all::<ToShell>(&bytes), all::<FromShell>(&bytes)));
        }
    }

    #[test]
    fn what_is_too_large_or_nothing_is_refused() {
        let most = FromShell::Output(vec![b'x'; MAX_BODY_BYTES].into());
        assert_eq!(all::<FromShell>(&sent(std::slice::from_ref(&most))).unwrap(), [most]);
        let more = FromShell::Output(vec![b'x'; MAX_BODY_BYTES + 1].into());
        // Already its head, before there is any room for it.
        all::<FromShell>(&sent(&[more])[..4]).unwrap_err();
        for foul in [&[0, 0, 0, 0][..], &[0, 0, 0, 1, 9], &[0, 0, 0, 2, 3, 1], &[0, 0, 0, 2, 1]] {
            all::<FromShell>(foul).unwrap_err();
        }
        all::<ToShell>(&[0, 0, 0, 2, 4, 9]).unwrap_err();
    }
}
