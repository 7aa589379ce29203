use std::io;
use std::path::{Path, PathBuf};

/// What could not be done with an image.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// A file could not be read or written.
    #[error("{what} {}: {source}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It cannot be the name of an image.
    #[error(
        "{0:?} is no name of an image: it has letters, digits and -._/ and may end in a tag, as \
         containerized-agent:latest"
    )]
    Name(String),
    /// What was given is no image, is damaged, or has something in it that none may have.
    #[error("this is no image that can be imported: {0}")]
    Bad(String),
    /// Somebody has its files.
    #[error("a sandbox uses the image {0}; wait for its job's end, or cancel it")]
    InUse(String),
    /// There are several images in the archive.
    #[error("there are several images in it: {}; name one of them", .0.join(", "))]
    Several(Vec<String>),
}

/// Gives a system call's error its context.
pub(crate) fn io_error<E: Into<io::Error>>(
    what: &'static str,
    path: impl AsRef<Path>,
) -> impl FnOnce(E) -> ImageError {
    move |e| ImageError::Io { what, path: path.as_ref().into(), source: e.into() }
}

/// For what an archive has in it.
pub(crate) fn bad(why: impl Into<String>) -> ImageError {
    ImageError::Bad(why.into())
}
