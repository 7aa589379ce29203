//! Reads `multipart/form-data` (RFC 7578) as it comes.
//!
//! Our own, because what there is (`multer`, also below axum) keeps whatever arrives until it can
//! use it: a head that never ends would fill the memory. Here no more is held than one piece of the
//! body and a line. Not here: what parts mean (`upload`).

use std::pin::Pin;

use bytes::{Buf as _, Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _};
use memchr::memmem;

use crate::code::Code;
use crate::disposition::{Head, disposition, parameter};
use crate::problem::Problem;

/// The longest line of a part's head, in bytes: a path of 4 KiB whose every byte is escaped.
const MAX_LINE_BYTES: usize = 16 * 1024;

/// The most lines of a part's head; clients send two or three.
const MAX_LINES: usize = 16;

type Body = Pin<Box<dyn Stream<Item = Result<Bytes, Problem>> + Send>>;

/// A body and how far it was read.
pub(crate) struct Multipart {
    body: Body,
    held: BytesMut,
    /// What ends a part: a line feed, two dashes and the boundary.
    delimiter: Vec<u8>,
    within_part: bool,
}

impl Multipart {
    /// `media_type` is the whole header, with its boundary.
    pub(crate) fn new(
        media_type: &str,
        body: impl Stream<Item = Result<Bytes, Problem>> + Send + 'static,
    ) -> Result<Self, Problem> {
        let boundary = parameter(media_type, "boundary").unwrap_or_default();
        // RFC 2046, 5.1.1.
        if !(1..=70).contains(&boundary.len()) {
            return Err(broken("the Content-Type has no boundary of 1 to 70 characters"));
        }
        let delimiter = format!("\r\n--{boundary}").into_bytes();
        // The first boundary has no line before it, or a preamble, which is skipped like a part.
        let held = BytesMut::from(&b"\r\n"[..]);
        Ok(Self { body: Box::pin(body), held, delimiter, within_part: true })
    }

    /// Goes to the next part; what is left of this one is skipped.
    pub(crate) async fn next(&mut self) -> Result<Option<Head>, Problem> {
        while self.chunk().await?.is_some() {}
        while self.held.len() < 2 {
            self.more().await?;
        }
        if self.held.starts_with(b"--") {
            return self.rest().await.map(|()| None);
        }
        if !self.line().await?.trim_ascii().is_empty() {
            return Err(broken("a boundary is followed by something else"));
        }
        self.within_part = true;
        self.head().await.map(Some)
    }

    /// The next bytes of this part; `None` at its end.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, Problem> {
        while self.within_part {
            if let Some(end) = memmem::find(&self.held, &self.delimiter) {
                let chunk = self.held.split_to(end).freeze();
                if !chunk.is_empty() {
                    return Ok(Some(chunk));
                }
                self.held.advance(self.delimiter.len());
                self.within_part = false;
            } else {
                // The last bytes may be the beginning of a boundary.
                let sure = self.held.len().saturating_sub(self.delimiter.len() - 1);
                if sure > 0 {
                    return Ok(Some(self.held.split_to(sure).freeze()));
                }
                self.more().await?;
            }
        }
        Ok(None)
    }

    async fn head(&mut self) -> Result<Head, Problem> {
        let mut head = None;
        for _ in 0..MAX_LINES {
            let line = self.line().await?;
            if line.is_empty() {
                return head.ok_or_else(|| broken("a part has no Content-Disposition"));
            }
            let line = str::from_utf8(&line).map_err(|_| broken("a part's head is not UTF-8"))?;
            head = head.or_else(|| disposition(line));
        }
        Err(broken("a part's head has too many lines"))
    }

    /// The rest of this line, without its end.
    async fn line(&mut self) -> Result<Bytes, Problem> {
        loop {
            if let Some(end) = memmem::find(&self.held, b"\r\n") {
                let line = self.held.split_to(end).freeze();
                self.held.advance(2);
                return Ok(line);
            }
            if self.held.len() > MAX_LINE_BYTES {
                return Err(broken("a part's head has a line that is too long"));
            }
            self.more().await?;
        }
    }

    /// What follows the last boundary is read, so that the connection can be used again.
    async fn rest(&mut self) -> Result<(), Problem> {
        while let Some(chunk) = self.body.next().await {
            chunk?;
        }
        Ok(())
    }

    async fn more(&mut self) -> Result<(), Problem> {
        let cut = || broken("the body ends before its last boundary");
        let chunk = self.body.next().await.ok_or_else(cut)??;
        self.held.extend_from_slice(&chunk);
        Ok(())
    }
}

fn broken(what: &str) -> Problem {
    Problem::new(Code::BadMultipart, format!("{what}; curl does it right: -F file=@data.csv"))
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use proptest::prelude::*;

    use super::*;

    const TYPE: &str = "multipart/form-data; boundary=xyz";

    fn body(text: &[u8], piece: usize) -> Multipart {
        let pieces: Vec<_> = text.chunks(piece).map(|p| Ok(Bytes::copy_from_slice(p))).collect();
        Multipart::new(TYPE, stream::iter(pieces)).unwrap()
    }

    async fn parts(mut body: Multipart) -> Result<Vec<(Head, Vec<u8>)>, Problem> {
        let mut parts = vec![];
        while let Some(head) = body.next().await? {
            let mut content = vec![];
            while let Some(chunk) = body.chunk().await? {
                content.extend_from_slice(&chunk);
            }
            parts.push((head, content));
        }
        Ok(parts)
    }

    fn written(parts: &[Vec<u8>]) -> Vec<u8> {
        let mut text = b"preamble\r\n".to_vec();
        for (n, part) in parts.iter().enumerate() {
            let disposition = format!("form-data; name=\"file\"; filename=\"d/{n}\"");
            let head = format!("--xyz \r\nX-A: b\r\nContent-Disposition: {disposition}\r\n\r\n");
            text.extend_from_slice(head.as_bytes());
            text.extend_from_slice(part);
            text.extend_from_slice(b"\r\n");
        }
        text.extend_from_slice(b"--xyz--");
        text
    }

    /// Bytes that look like boundaries, often.
    fn content() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            Just(b"\r".to_vec()),
            Just(b"\r\n".to_vec()),
            Just(b"\r\n--".to_vec()),
            Just(b"\r\n--xy".to_vec()),
            Just(b"--xyz".to_vec()),
            prop::collection::vec(any::<u8>(), 0..20),
        ];
        let whole = prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat());
        let ends_it = |content: &Vec<u8>| memmem::find(content, b"\r\n--xyz").is_none();
        whole.prop_filter("no boundary", ends_it)
    }

    proptest! {
        #[test]
        fn parts_are_read_however_they_arrive(
            contents in prop::collection::vec(content(), 1..4),
            piece in 1..50_usize,
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let read = runtime.block_on(parts(body(&written(&contents), piece))).unwrap();
            for (n, (head, _)) in read.iter().enumerate() {
                prop_assert_eq!(head.filename.as_deref(), Some(&*format!("d/{n}")));
            }
            let read: Vec<_> = read.into_iter().map(|(_, content)| content).collect();
            prop_assert_eq!(read, contents);
        }

        #[test]
        fn nonsense_is_refused_or_read_but_ends(
            text in prop::collection::vec(content(), 0..5),
            piece in 1..50_usize,
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let text = text.join(&b"\r\n--xyz"[..]);
            if let Err(problem) = runtime.block_on(parts(body(&text, piece))) {
                prop_assert_eq!(problem.code, Code::BadMultipart);
            }
        }
    }

    #[tokio::test]
    async fn what_never_ends_is_not_kept() {
        for head in ["--xyz\r\n", "--xyz", "--xyz\r\nContent-Disposition: "] {
            let endless = stream::repeat(Bytes::from_static(&[b'a'; 1024]));
            let text = stream::iter([Bytes::copy_from_slice(head.as_bytes())]).chain(endless);
            let mut body = Multipart::new(TYPE, text.map(Ok)).unwrap();
            assert_eq!(body.next().await.unwrap_err().code, Code::BadMultipart);
            assert!(body.held.len() < 2 * MAX_LINE_BYTES, "{}", body.held.len());
        }
    }

    #[tokio::test]
    async fn a_body_that_is_cut_anywhere_is_refused() {
        let whole = written(&[b"hello".to_vec(), vec![]]);
        assert_eq!(parts(body(&whole, 7)).await.unwrap().len(), 2);
        for end in 0..whole.len() {
            let cut = parts(body(&whole[..end], 7)).await;
            assert_eq!(cut.unwrap_err().code, Code::BadMultipart, "{end}");
        }
    }

    #[test]
    fn a_boundary_is_needed() {
        for media_type in
            ["multipart/form-data", "multipart/form-data; boundary=", "x; boundary=\""]
        {
            let made = Multipart::new(media_type, stream::empty());
            assert_eq!(made.err().map(|problem| problem.code), Some(Code::BadMultipart));
        }
        assert!(Multipart::new("a; charset=x; boundary=\"a b\"", stream::empty()).is_ok());
    }
}
