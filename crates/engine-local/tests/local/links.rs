//! Images with links, at every name that a sandbox uses, to what the host has.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use engine::Engine;
use tar::{EntryType, Header};
use types::Limits;

use crate::bed::Bed;
use crate::image::{NAME, create, import, put, tree, with};

/// Where something is mounted or made, and what is on the way to it.
const PLACES: [&str; 15] = [
    "dev",
    "dev/pts",
    "dev/null",
    "etc",
    "etc/ssl",
    "etc/ssl/cagent.pem",
    "home",
    "home/agent",
    "opt",
    "opt/cagent",
    "proc",
    "run",
    "run/cagent",
    "tmp",
    "workspace",
];

/// A directory of the host with a file, and all that is in it.
struct Outside(tempfile::TempDir);

impl Outside {
    /// Not beneath `/tmp`, over which something is mounted inside.
    fn new() -> Self {
        let dir = tempfile::tempdir_in("/var/tmp").unwrap();
        fs::write(dir.path().join("cagent.pem"), "mine").unwrap();
        fs::create_dir(dir.path().join("cagent")).unwrap();
        // Whoever gets there may write.
        for name in ["", "cagent", "cagent.pem"] {
            fs::set_permissions(dir.path().join(name), Permissions::from_mode(0o777)).unwrap();
        }
        Self(dir)
    }

    fn is_as_it_was(&self, what: &str) {
        let names = ["cagent", "cagent.pem"].map(|name| self.0.path().join(name));
        assert_eq!(tree(self.0.path()), names.into(), "{what}");
        assert_eq!(fs::read_to_string(self.0.path().join("cagent.pem")).unwrap(), "mine", "{what}");
    }

    /// What leads there from the root, and by way of what is above it.
    fn ways(&self, name: &str) -> [String; 2] {
        let path = self.0.path().join(name).display().to_string();
        [format!("{}{path}", "..".to_owned() + &"/..".repeat(11)), path]
    }
}

/// Whether the image's own is beneath what is mounted over it.
fn hidden(place: &str) -> bool {
    ["dev/", "run/"].iter().any(|above| place.starts_with(above))
}

fn is_file(place: &str) -> bool {
    place.ends_with(".pem") || place == "dev/null"
}

/// How a job from such an image went: what it said, or why it was refused.
async fn with_link(place: &str, to: &str, there: Option<EntryType>) -> Result<String, String> {
    let bed = Bed::new("echo runs");
    import(&bed, &archive_with_link(place, to, there));
    let job = create(&bed, NAME, Limits::default()).await.unwrap();
    let started = bed.engine.start(job).await;
    if let Err(e) = started {
        bed.engine.remove(job).await.unwrap();
        return Err(e.to_string());
    }
    Ok(bed.end(job).await.1)
}

#[tokio::test]
async fn links_of_an_image_to_what_it_has_are_followed_within_it() {
    let outside = Outside::new();
    for place in PLACES {
        let (name, kind) = match is_file(place) {
            true => ("cagent.pem", EntryType::Regular),
            false => ("cagent", EntryType::Directory),
        };
        for to in outside.ways(name) {
            let said = with_link(place, &to, Some(kind)).await;
            assert_eq!(said.as_deref(), Ok("runs\n"), "{place} -> {to}");
            outside.is_as_it_was(&format!("{place} -> {to}"));
        }
    }
}

#[tokio::test]
async fn links_of_an_image_to_what_it_has_not_are_refused_and_make_nothing_outside() {
    let outside = Outside::new();
    for place in PLACES {
        for name in [if is_file(place) { "cagent.pem" } else { "cagent" }, "new"] {
            let [to, _] = outside.ways(name);
            let what = format!("{place} -> {to}");
            match with_link(place, &to, None).await {
                Ok(said) => assert_eq!((said.as_str(), hidden(place)), ("runs\n", true), "{what}"),
                Err(refused) => assert!(refused.contains("dangling link"), "{what}: {refused}"),
            }
            outside.is_as_it_was(&what);
        }
    }
}

#[tokio::test]
async fn what_is_no_directory_where_one_belongs_is_refused() {
    let bed = Bed::new("echo runs");
    let mut tar = with(&["/bin/sh"]);
    put(&mut tar, EntryType::Regular, "proc", (0, 0o644), b"");
    import(&bed, &tar.into_inner().unwrap());
    let job = create(&bed, NAME, Limits::default()).await.unwrap();
    let refused = bed.engine.start(job).await.unwrap_err().to_string();
    assert!(refused.contains("/proc: Not a directory"), "{refused}");
    bed.engine.remove(job).await.unwrap();
}

/// A root file system with a link, and what that leads to if it has a kind.
fn archive_with_link(path: &str, to: &str, there: Option<EntryType>) -> Vec<u8> {
    let mut tar = with(&["/bin/sh"]);
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Symlink);
    header.set_mode(0o777);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(0);
    tar.append_link(&mut header, path, to).unwrap();
    if let Some(kind) = there {
        let to = to.trim_start_matches(['.', '/']);
        put(&mut tar, kind, to, (0, 0o755), b"");
    }
    tar.into_inner().unwrap()
}
