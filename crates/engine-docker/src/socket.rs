//! The gateway's socket in its directory, reached by the directory's descriptor: a socket's path may
//! have 108 bytes only, a data directory's may have more.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;

use tokio::net::{UnixListener, UnixStream};

pub(crate) fn listen(gateway: &Path) -> io::Result<UnixListener> {
    let dir = File::open(gateway)?;
    UnixListener::bind(within(&dir))
}

pub(crate) async fn connect(gateway: &Path) -> io::Result<UnixStream> {
    let dir = File::open(gateway)?;
    UnixStream::connect(within(&dir)).await
}

/// Good as long as the directory is open.
fn within(dir: &File) -> String {
    format!("/proc/self/fd/{}/{}", dir.as_raw_fd(), protocol::SOCKET_NAME)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_directory_may_have_a_long_path() {
        let home = tempfile::tempdir().unwrap();
        let gateway = home.path().join("d".repeat(100)).join("gateway");
        std::fs::create_dir_all(&gateway).unwrap();
        let listener = listen(&gateway).unwrap();
        let (there, here) = tokio::join!(connect(&gateway), listener.accept());
        there.unwrap();
        here.unwrap();
        assert!(gateway.join(protocol::SOCKET_NAME).exists());
    }
}
