//! The key that commands show to a server.
//!
//! Not here: what a key is and what it opens (crates `jobs` and `api`).

use std::path::{Path, PathBuf};

use reqwest::header::HeaderValue;

/// What we have to show.
#[derive(Clone, Debug, Default)]
pub(crate) struct Key {
    /// Where the server keeps everything: for whoever may read it there is a key. It is another
    /// one after each start of the server, so it is read when it is wanted.
    data_dir: Option<PathBuf>,
    /// The one of the settings.
    given: Option<HeaderValue>,
}

impl Key {
    /// For a server that may be anywhere.
    pub(crate) fn given(given: Option<&HeaderValue>) -> Self {
        Self { data_dir: None, given: given.cloned() }
    }

    /// For the server that has this data directory.
    pub(crate) fn of(data_dir: &Path, given: Option<&HeaderValue>) -> Self {
        Self { data_dir: Some(data_dir.into()), given: given.cloned() }
    }

    /// The header that carries it.
    pub(crate) fn header(&self) -> Option<HeaderValue> {
        let local = || self.data_dir.as_deref().and_then(|dir| jobs::local_key(dir).ok());
        // Whoever gives one may mean to be held to what it allows.
        self.given.clone().or_else(|| local().as_deref().and_then(bearer))
    }
}

/// A header that no log shows; none if there is no such header.
pub(crate) fn bearer(key: &str) -> Option<HeaderValue> {
    let fits = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_graphic());
    let mut value = fits.then(|| HeaderValue::try_from(format!("Bearer {key}")).ok())??;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::client::Client;

    #[test]
    fn the_key_that_is_given_comes_first_and_none_is_shown() {
        let dir = tempfile::tempdir().unwrap();
        let given = bearer("g1ven");
        let key = Key::of(dir.path(), None);
        assert_eq!(key.header(), None);
        for local in ["l0cal", "an0ther"] {
            std::fs::write(dir.path().join("local.key"), format!("{local}\n")).unwrap();
            assert_eq!(key.header().unwrap(), format!("Bearer {local}"));
        }
        for first in [Key::given(given.as_ref()), Key::of(dir.path(), given.as_ref())] {
            assert_eq!(first.header(), given);
        }
        let shown = format!("{key:?} {:?} {given:?}", key.header());
        assert!(!shown.contains("g1ven") && !shown.contains("an0ther"), "{shown}");
        assert_eq!(bearer("a b"), None);
    }

    /// Reads the head of a request and answers it.
    async fn answer(
        server: &TcpListener,
        before: impl FnOnce(),
        status: &str,
        body: &str,
    ) -> String {
        let (mut connection, _) = server.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            assert_ne!(connection.read_buf(&mut head).await.unwrap(), 0);
        }
        before();
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        connection.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8(head).unwrap()
    }

    #[tokio::test]
    async fn a_server_that_was_started_anew_is_shown_its_new_key() {
        let dir = tempfile::tempdir().unwrap();
        let local = dir.path().join("local.key");
        std::fs::write(&local, "bef0re").unwrap();
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", server.local_addr().unwrap()).parse().unwrap();
        let client = Client::new(base).unwrap().with_key(Key::of(dir.path(), None));
        let served = async {
            let anew = || std::fs::write(&local, "n0w").unwrap();
            let first = answer(&server, anew, "401 Unauthorized", "{}").await;
            (first, answer(&server, || (), "200 OK", "{\"keys\":[]}").await)
        };
        let (keys, (first, second)) = tokio::join!(client.keys(), served);
        assert_eq!(keys.unwrap().keys, []);
        assert!(first.contains("Bearer bef0re") && second.contains("Bearer n0w"));
    }
}
