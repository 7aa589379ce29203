//! Files that a model reads, looks at, writes or changes. Everything is opened as the command user.

use std::fs::File;
use std::io::{self, BufReader, Read as _, Seek as _};
use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use imagesize::ImageType;
use runbook::{Block, Work};
use types::{Part, StepKind, StepOutcome};

use super::run::{Call, how};
use super::shown::{Binary, is_text};
use super::{Done, Toolbox, edit, lines, path};
use crate::step::{Heading, Open, Ran, StepError};

/// The largest file that is changed here; larger ones are a program's work.
const MOST_EDIT_BYTES: u64 = 1024 * 1024;

/// How much of a file is read to show some lines of it, or to say what it is.
const MOST_READ_BYTES: u64 = 64 * 1024 * 1024;

/// The largest picture: 5 MB in base64, which is what the strictest provider takes.
const MOST_IMAGE_BYTES: u64 = 3_750_000;

/// The most pixels of a picture's side, of the strictest provider.
const MOST_SIDE: usize = 8000;

/// Who writes a file says why that failed, unless they could not.
const NOT_WRITTEN: &str = "not written: it was killed, or did not end in time; does a process of \
                           this sandbox kill or stop others?";

/// What shows whether a file is text.
const BEGINNING_BYTES: usize = 8 * 1024;

/// A file to write.
struct Put<'a> {
    path: String,
    content: &'a str,
    /// What a person sees who is to approve it.
    asked: &'a str,
    /// What the model is told if it was written.
    text: String,
}

impl Toolbox {
    pub(super) async fn write(
        &self,
        call: Call<'_>,
        path: &str,
        content: &str,
    ) -> Result<Done, StepError> {
        match self.writable(call, path) {
            Ok(path) => {
                let (bytes, lines) = (content.len(), content.lines().count());
                let text = format!("written: {path}, {bytes} bytes, {lines} lines");
                self.put(call, Put { path, content, asked: content, text }).await
            }
            Err(why) => self.refuse(call, StepKind::File, path, why).await,
        }
    }

    pub(super) async fn edit(
        &self,
        call: Call<'_>,
        path: &str,
        (old, new, all): (&str, &str, bool),
    ) -> Result<Done, StepError> {
        let edited = match self.writable(call, path) {
            Ok(path) => {
                let text = self.text(&self.runner.config.workspace.join(&path)).await;
                text.and_then(|text| edit::edit(&text, old, new, all)).map(|edited| (path, edited))
            }
            Err(why) => Err(why),
        };
        match edited {
            Ok((path, edited)) => {
                let (asked, content) = (&*edited.shown, &*edited.content);
                let text = format!("changed: {path}\n{}", asked.trim_end());
                self.put(call, Put { path, content, asked, text }).await
            }
            Err(why) => self.refuse(call, StepKind::File, path, why).await,
        }
    }

    pub(super) async fn read(
        &self,
        call: Call<'_>,
        path: &str,
        from: u64,
        count: u64,
    ) -> Result<Done, StepError> {
        self.look(call, path, async |path| {
            let file = self.runner.open(Open::Read, path).await;
            let text = file.and_then(|file| listing(file, from, count)).map_err(why)?;
            Ok(Part::text(text))
        })
        .await
    }

    pub(super) async fn view(&self, call: Call<'_>, path: &str) -> Result<Done, StepError> {
        self.look(call, path, async |path| {
            let file = self.runner.open(Open::Read, path).await.map_err(why)?;
            picture(&bytes(file, MOST_IMAGE_BYTES)?)
        })
        .await
    }

    /// A look at a file, as a step.
    async fn look(
        &self,
        Call { step, place, cancel }: Call<'_>,
        path: &str,
        look: impl AsyncFnOnce(&Path) -> Result<Part, String>,
    ) -> Result<Done, StepError> {
        let heading = Heading::new(StepKind::Read, path, None);
        let path = path::absolute(&place.cwd, path);
        let work = async {
            let seen = look(&path).await;
            Ok((Ran::plain(seen.is_ok()), seen))
        };
        let (ran, seen) = self.runner.around(step, heading, cancel, work).await?;
        let part = match seen {
            Some(Ok(part)) => part,
            Some(Err(why)) => Part::text(format!("{}: {why}", path.display())),
            None => Part::text(how(&ran, 0)),
        };
        Ok(Done::of(&ran, vec![part]))
    }

    async fn put(&self, call: Call<'_>, put: Put<'_>) -> Result<Done, StepError> {
        let Put { path, content, asked, text: written } = put;
        let heading = Heading::new(StepKind::File, &path, Some(content)).asking(asked);
        let work = Work::File { path: path.clone(), content: content.into() };
        let block = Block { line: 0, title: path, work };
        let (ran, said) = self.run_block(call, &block, heading).await?;
        let text = match ran.outcome {
            StepOutcome::Ok => written,
            StepOutcome::Failed if said.is_empty() => NOT_WRITTEN.into(),
            StepOutcome::Failed => format!("not written: {}", said.trim_end()),
            _ => how(&ran, 0),
        };
        Ok(Done::of(&ran, vec![Part::text(text)]))
    }

    /// A step that cannot be done.
    pub(super) async fn refuse(
        &self,
        Call { step, cancel, .. }: Call<'_>,
        kind: StepKind,
        title: &str,
        why: String,
    ) -> Result<Done, StepError> {
        let heading = Heading::unasked(kind, title);
        let work = async { Ok((Ran::plain(false), ())) };
        let (ran, worked) = self.runner.around(step, heading, cancel, work).await?;
        let text = if worked.is_some() { why } else { how(&ran, 0) };
        Ok(Done::of(&ran, vec![Part::text(text)]))
    }

    fn writable(&self, call: Call<'_>, path: &str) -> Result<String, String> {
        path::writable(&self.runner.config.workspace, &path::absolute(&call.place.cwd, path))
    }

    async fn text(&self, path: &Path) -> Result<String, String> {
        let shown = path.display();
        let file = self.runner.open(Open::Read, path).await;
        let bytes = file.map_err(why).and_then(|file| bytes(file, MOST_EDIT_BYTES));
        let bytes = bytes.map_err(|why| format!("{shown}: {why}"))?;
        String::from_utf8(bytes).map_err(|_| format!("{shown} is no UTF-8 text; use `python`"))
    }
}

/// All of a file that is not too large. No more than it says it has: what the kernel makes up while
/// it is read says that it is empty.
fn bytes(file: File, most: u64) -> Result<Vec<u8>, String> {
    let size = file.metadata().map_err(why)?.len();
    if size > most {
        return Err(format!("it has {size} bytes, and {most} is the most here; use a program"));
    }
    let mut bytes = Vec::new();
    file.take(size).read_to_end(&mut bytes).map_err(why)?;
    Ok(bytes)
}

fn listing(mut file: File, from: u64, count: u64) -> io::Result<String> {
    let size = file.metadata()?.len();
    let mut beginning = Vec::new();
    (&file).take(size.min(BEGINNING_BYTES as u64)).read_to_end(&mut beginning)?;
    file.rewind()?;
    if !is_text(&beginning) {
        return binary(file, size, &beginning);
    }
    let most = size.min(MOST_READ_BYTES);
    let lines = lines::read(BufReader::new(file.take(most)), from, count)?;
    let known = if most < size { "more than " } else { "" };
    let total = lines.total;
    Ok(match lines.last {
        0 if size == 0 => "the file is empty".into(),
        0 => format!("the file has {known}{total} lines: there is no line {from}"),
        last if last == total && most == size => lines.text,
        last => format!(
            "{}[lines {from} to {last} of {known}{total}; the next with from_line {}]",
            lines.text,
            last + 1
        ),
    })
}

fn binary(file: File, size: u64, beginning: &[u8]) -> io::Result<String> {
    let hint = match imagesize::image_type(beginning) {
        Ok(ImageType::Png | ImageType::Jpeg | ImageType::Gif | ImageType::Webp) => ", a picture",
        _ => "",
    };
    if size > MOST_READ_BYTES {
        return Ok(format!("{size} bytes that are no text{hint}"));
    }
    let (mut all, mut piece) = (Binary::default(), [0; BEGINNING_BYTES]);
    let mut file = file.take(size);
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(format!("{}{hint}", all.name())),
            read => all.add(&piece[..read]),
        }
    }
}

/// A picture for a model, or why it is none.
pub(super) fn picture(bytes: &[u8]) -> Result<Part, String> {
    let media_type = match imagesize::image_type(bytes) {
        Ok(ImageType::Png) => "image/png",
        Ok(ImageType::Jpeg) => "image/jpeg",
        Ok(ImageType::Gif) => "image/gif",
        Ok(ImageType::Webp) => "image/webp",
        _ => return Err("it is no png, jpeg, gif or webp picture".into()),
    };
    let size = imagesize::blob_size(bytes).map_err(|error| format!("a broken picture: {error}"))?;
    let side =
        |pixels: usize| u32::try_from(pixels).ok().filter(|_| (1..=MOST_SIDE).contains(&pixels));
    let (Some(width), Some(height)) = (side(size.width), side(size.height)) else {
        return Err(format!(
            "it has {} x {} pixels, and {MOST_SIDE} is the most a side may have; make it smaller",
            size.width, size.height
        ));
    };
    let base64 = BASE64_STANDARD.encode(bytes);
    Ok(Part::Image { media_type: media_type.into(), base64, width, height })
}

/// For a model.
pub(super) fn why(error: io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".into(),
        io::ErrorKind::IsADirectory => "it is a directory; list it with `shell`".into(),
        io::ErrorKind::PermissionDenied => "it may not be opened".into(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn file(content: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        file.rewind().unwrap();
        file
    }

    /// The first bytes of a PNG of this size.
    fn png(width: u32, height: u32) -> Vec<u8> {
        let sizes = [width.to_be_bytes(), height.to_be_bytes()].concat();
        [b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", &sizes[..], &[8, 2, 0, 0, 0], &[0; 30]].concat()
    }

    #[test]
    fn lists_text_and_names_what_is_none() {
        let listed = |content: &[u8]| listing(file(content), 1, 2).unwrap();
        assert_eq!(listed(b"a\nb\n"), "     1\ta\n     2\tb\n");
        assert!(listed(b"a\nb\nc\n").ends_with("[lines 1 to 2 of 3; the next with from_line 3]"));
        assert_eq!(listed(b""), "the file is empty");
        assert!(listed(b"\0\x01\x02").starts_with("3 bytes that are no text, sha256 "));
        assert!(listed(&png(1, 1)).contains("a picture"));
        let past = listing(file(b"a\n"), 5, 1).unwrap();
        assert_eq!(past, "the file has 1 lines: there is no line 5");
    }

    #[test]
    fn what_the_kernel_makes_up_is_not_read() {
        let endless = File::open("/proc/self/maps").unwrap();
        assert_eq!(bytes(endless, 10), Ok(vec![]));
    }

    #[test]
    fn pictures_are_known_by_their_bytes() {
        match picture(&png(640, 480)).unwrap() {
            Part::Image { media_type, width, height, .. } => {
                assert_eq!((&*media_type, width, height), ("image/png", 640, 480));
            }
            Part::Text { text } => panic!("{text}"),
        }
        assert!(picture(b"text").unwrap_err().contains("no png"));
        assert!(picture(&png(9000, 1)).unwrap_err().contains("make it smaller"));
        assert!(picture(b"\x89PNG\r\n\x1a\n").is_err());
        assert!(bytes(file(&[0; 11]), 10).unwrap_err().contains("11 bytes"));
    }
}
