//! Runs a program as a job, and sees what becomes of it.

use std::io::{Cursor, Read as _};
use std::time::Duration;

use anyhow::Context as _;
use serde_json::json;
use testkit::Client;
use tokio::time::sleep;
use types::{JobId, Stream};
use zip::ZipArchive;

use crate::entry::Entry;
use crate::judge::Seen;
use crate::site::{Site, limits};

/// Between two looks at a file.
const LOOK: Duration = Duration::from_millis(2);

/// The most that is unpacked of a ZIP, or read of a log, to look for secrets.
const MOST_BYTES: u64 = 64 << 20;

/// How many times as large as its disk the files of a job may look.
const MOST_SWOLLEN: u64 = 16;

/// What a job hands out: where, and what.
type Delivered = Vec<(String, Vec<u8>)>;

/// What is seen of a program.
///
/// # Errors
/// When its result cannot be read.
pub(crate) async fn gather(site: &Site, entry: &Entry) -> anyhow::Result<Seen> {
    let client = site.client();
    let job = client.schedule(&site.job(entry)).await;
    let (reads, read) = match &entry.reads {
        Some(path) => while_it_runs(client, job, path).await,
        None => (None, vec![]),
    };
    let ended = client.wait_end(job).await;
    let (said, complained) =
        (client.log(job, Stream::Stdout).await, client.log(job, Stream::Stderr).await);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (text, errors) = (text(&said), text(&complained));
    let (mut delivered, bytes) = unpacked(client.download(job).await)?;
    let more = [("what was read of it", read), ("stdout", said), ("stderr", complained)];
    delivered.extend(more.map(|(place, bytes)| (place.to_owned(), bytes)));
    let disk = limits(entry)["disk_bytes"].as_u64().unwrap_or_default();
    Ok(Seen {
        said: text,
        complained: ended.error.unwrap_or_default() + &errors,
        reason: json!(ended.reason).as_str().unwrap_or_default().into(),
        secret_in: place_of(&site.secret, delivered),
        swollen: (bytes > MOST_SWOLLEN * disk).then_some(bytes),
        reads,
    })
}

/// Where a secret is.
fn place_of(secret: &str, delivered: Delivered) -> Option<String> {
    let has = |bytes: &[u8]| memchr::memmem::find(bytes, secret.as_bytes()).is_some();
    delivered.into_iter().find(|(_, bytes)| has(bytes)).map(|(place, _)| place)
}

/// Reads a file of a running job until the job is over: how often there was one, and all that it held.
async fn while_it_runs(client: &Client, job: JobId, path: &str) -> (Option<usize>, Vec<u8>) {
    let (mut reads, mut read) = (0, vec![]);
    while !client.status(job).await.status.is_final() {
        let answer = client.get(&format!("/v1/jobs/{job}/files/{path}")).await;
        if answer.status().is_success() {
            reads += 1;
            read.extend(answer.bytes().await.unwrap_or_default());
        }
        sleep(LOOK).await;
    }
    (Some(reads), read)
}

/// The files of a ZIP with their names, and how large all are together.
fn unpacked(zip: Vec<u8>) -> anyhow::Result<(Delivered, u64)> {
    let mut zip = ZipArchive::new(Cursor::new(zip)).context("open its ZIP")?;
    let (mut files, mut size, mut room) = (vec![], 0, MOST_BYTES);
    for index in 0..zip.len() {
        let file = zip.by_index(index)?;
        size += file.size();
        let name = file.name()?.into_owned();
        let mut bytes = name.clone().into_bytes();
        room -= file.take(room).read_to_end(&mut bytes)? as u64;
        files.push((format!("its ZIP: {name}"), bytes));
    }
    Ok((files, size))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;

    #[test]
    fn a_secret_in_a_file_or_its_name_is_found_and_what_is_no_zip_is_an_error() {
        let mut zip = ZipWriter::new(Cursor::new(vec![]));
        for (name, text) in [("fine", "nothing"), ("deep/file", "so s3cret it is"), ("n4me", "")] {
            zip.start_file(name, SimpleFileOptions::default()).unwrap();
            zip.write_all(text.as_bytes()).unwrap();
        }
        let zip = zip.finish().unwrap().into_inner();
        let place = |secret| place_of(secret, unpacked(zip.clone()).unwrap().0);
        assert_eq!(place("s3cret").as_deref(), Some("its ZIP: deep/file"));
        assert_eq!(place("n4me").as_deref(), Some("its ZIP: n4me"));
        assert_eq!(place("other"), None);
        assert_eq!(unpacked(zip.clone()).unwrap().1, 22);
        assert!(unpacked(b"no zip".to_vec()).is_err());
    }
}
