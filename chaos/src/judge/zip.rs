//! A job's ZIP: does it hold what its manifest says, and say what the API says?

use std::collections::BTreeMap;
use std::io::{Cursor, Read as _};

use anyhow::Context as _;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use types::EventKind;

use super::{Evidence, Kind, Violation, json};
use crate::work::RAN;

const MANIFEST: &str = ".cagent/manifest.json";

/// The files of a ZIP.
#[derive(Debug)]
pub(crate) struct Archive {
    files: BTreeMap<String, Vec<u8>>,
    manifest: Value,
}

/// # Errors
/// When it is no whole ZIP.
pub(crate) fn read(bytes: &[u8]) -> anyhow::Result<Archive> {
    let mut zip = zip::ZipArchive::new(Cursor::new(bytes)).context("open it")?;
    let mut files = BTreeMap::new();
    for n in 0..zip.len() {
        let mut entry = zip.by_index(n)?;
        let mut content = vec![];
        let name = entry.name()?.into_owned();
        entry.read_to_end(&mut content).with_context(|| format!("read {name}"))?;
        if !entry.is_dir() {
            files.insert(name, content);
        }
    }
    let manifest = json(files.get(MANIFEST).context("it has no manifest")?)?;
    Ok(Archive { files, manifest })
}

impl Archive {
    /// What its steps noted of themselves.
    pub(crate) fn ran(&self) -> Option<String> {
        self.files.get(RAN).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }
}

/// Everything in which a ZIP differs from its manifest, or from what is known of its job.
pub(crate) fn check(archive: &Archive, evidence: &Evidence) -> Vec<Violation> {
    let mut wrong = listed(archive);
    let result = &archive.manifest["job"]["result"];
    let job = serde_json::json!({
        "status": evidence.job.status, "reason": evidence.job.reason, "error": evidence.job.error
    });
    for field in ["status", "reason", "error"] {
        if result[field] != job[field] {
            wrong.push(format!(
                "{field} {} in its manifest, {} by the API",
                result[field], job[field]
            ));
        }
    }
    if archive.manifest["job"]["job_id"] != evidence.job.job_id.to_string() {
        wrong.push("another job's".into());
    }
    let told = evidence.events.iter().find_map(|event| match event.event {
        EventKind::Packaged { bytes, .. } => Some(bytes),
        _ => None,
    });
    if told != Some(evidence.zip.len() as u64) {
        wrong.push(format!("{} bytes where {told:?} were told", evidence.zip.len()));
    }
    if archive.files.get(".cagent/stdout.log").map_or("".as_bytes(), Vec::as_slice)
        != evidence.stdout.as_bytes()
    {
        wrong.push("another stdout.log than the API's".into());
    }
    wrong.extend(events(archive, evidence));
    wrong.into_iter().map(|what| Violation::of(Kind::Wrong, format!("its ZIP: {what}"))).collect()
}

fn listed(archive: &Archive) -> Vec<String> {
    let mut wrong = vec![];
    let lists = ["files", "extras"].map(|list| archive.manifest[list].as_array());
    let mut count = 0;
    for file in lists.into_iter().flatten().flatten() {
        count += 1;
        let path = file["path"].as_str().unwrap_or_default();
        let Some(content) = archive.files.get(path) else {
            wrong.push(format!("{path} is not there"));
            continue;
        };
        let hash: String =
            Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect();
        if file["sha256"] != hash || file["bytes"] != content.len() {
            wrong.push(format!("{path} is not what it was"));
        }
    }
    if count + 1 != archive.files.len() {
        wrong.push(format!("{count} files in its manifest, {} beside it", archive.files.len() - 1));
    }
    wrong
}

/// The events in it are those of the API up to its packaging, without the texts of outputs.
fn events(archive: &Archive, evidence: &Evidence) -> Option<String> {
    let lines = archive
        .files
        .get(".cagent/events.ndjson")
        .map_or("".into(), |bytes| String::from_utf8_lossy(bytes));
    let packed: Vec<Value> = lines.lines().filter_map(|line| json(line.as_bytes()).ok()).collect();
    if packed.len() != lines.lines().count() || packed.is_empty() {
        return Some("its events are no JSON".into());
    }
    let told = evidence.events.iter().map(|event| {
        let mut event = serde_json::to_value(event).unwrap_or_default();
        if let Some(fields) = event["event"].as_object_mut() {
            fields.remove("text").filter(|_| fields["type"] == "output");
        }
        event
    });
    let mut pairs = packed.iter().zip(told);
    let odd = pairs.find(|(packed, told)| without_text(packed) != *told);
    odd.map(|(packed, told)| format!("event {packed} where {told} was told"))
}

fn without_text(event: &Value) -> Value {
    let mut event = event.clone();
    if let Some(fields) = event["event"].as_object_mut() {
        fields.remove("text");
    }
    event
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(content: &[u8], hashed: &[u8]) -> Archive {
        let hash: String = Sha256::digest(hashed).iter().map(|b| format!("{b:02x}")).collect();
        let file = serde_json::json!({ "path": "a", "bytes": hashed.len(), "sha256": hash });
        let manifest = serde_json::json!({ "files": [file], "extras": [] });
        let files = [("a".into(), content.to_vec()), (MANIFEST.into(), vec![])];
        Archive { files: files.into(), manifest }
    }

    #[test]
    fn a_manifest_is_believed_only_if_it_is_so() {
        assert_eq!(listed(&archive(b"1\n", b"1\n")), [""; 0]);
        assert_eq!(listed(&archive(b"2\n", b"1\n")), ["a is not what it was"]);
        let mut gone = archive(b"1\n", b"1\n");
        gone.files.remove("a");
        assert_eq!(listed(&gone).len(), 2, "not there, and not as many");
        let mut surplus = archive(b"1\n", b"1\n");
        surplus.files.insert("b".into(), vec![]);
        assert_eq!(listed(&surplus), ["1 files in its manifest, 2 beside it"]);
    }

    #[test]
    fn what_is_no_zip_is_found() {
        assert!(read(b"PK\x03\x04 half of one").is_err());
    }
}
