//! Sandboxes made from an image: some of the host's programs with what they load, and files to find.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use engine::{Engine, EngineError, SandboxEnd, SandboxSpec};
use images::{Images, Source};
use tar::{Builder, EntryType, Header};
use types::{JobId, Limits};

use crate::bed::{Bed, as_command, eventually, is_root};

pub(crate) const NAME: &str = "test:1";

/// What the scripts here use.
const PROGRAMS: [&str; 12] = [
    "/bin/sh",
    "/usr/bin/cat",
    "/usr/bin/env",
    "/usr/bin/head",
    "/usr/bin/id",
    "/usr/bin/ls",
    "/usr/bin/mkdir",
    "/usr/bin/rm",
    "/usr/bin/setpriv",
    "/usr/bin/sleep",
    "/usr/bin/stat",
    "/usr/bin/wc",
];

/// These programs with all that they load, by their paths.
fn loaded(programs: &'static [&str]) -> BTreeSet<PathBuf> {
    let mut all = BTreeSet::new();
    for program in programs {
        let listed = Command::new("ldd").arg(program).output().unwrap();
        let listed = String::from_utf8(listed.stdout).unwrap();
        let loaded = listed.split_whitespace().filter(|word| word.starts_with('/'));
        all.extend(loaded.chain([*program]).map(PathBuf::from));
    }
    all
}

pub(crate) type Tar = Builder<Vec<u8>>;

/// A root file system with a few files.
fn archive() -> Vec<u8> {
    let mut tar = with(&PROGRAMS);
    put(&mut tar, EntryType::Directory, "opt/venv", (1000, 0o755), b"");
    put(&mut tar, EntryType::Regular, "opt/venv/mine", (1000, 0o644), b"lower\n");
    put(&mut tar, EntryType::Regular, "opt/theirs", (0, 0o644), b"lower\n");
    put(&mut tar, EntryType::Regular, "opt/others", (33, 0o644), b"lower\n");
    put(&mut tar, EntryType::Regular, "opt/suid", (0, 0o4755), b"#!/bin/sh\n");
    tar.into_inner().unwrap()
}

pub(crate) fn with(programs: &'static [&str]) -> Tar {
    let mut tar = Builder::new(vec![]);
    for path in loaded(programs) {
        let content = fs::read(&path).unwrap();
        let path = path.strip_prefix("/").unwrap().to_str().unwrap();
        put(&mut tar, EntryType::Regular, path, (0, 0o755), &content);
    }
    tar
}

pub(crate) fn put(
    tar: &mut Tar,
    kind: EntryType,
    path: &str,
    (owner, mode): (u64, u32),
    content: &[u8],
) {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(owner);
    header.set_gid(owner);
    header.set_size(content.len() as u64);
    tar.append_data(&mut header, path, content).unwrap();
}

pub(crate) fn import(bed: &Bed, archive: &[u8]) -> PathBuf {
    let images = Images::open(&bed.config.images);
    images.import(Source::Stream(&mut &*archive), Some(NAME)).unwrap().image.root
}

pub(crate) async fn create(bed: &Bed, image: &str, limits: Limits) -> Result<JobId, EngineError> {
    let spec = SandboxSpec { job: JobId::generate(), limits, image: Some(image.into()) };
    bed.engine.create(&spec).await.map(|()| spec.job)
}

async fn start(bed: &Bed, limits: Limits) -> JobId {
    let job = create(bed, NAME, limits).await.unwrap();
    bed.engine.start(job).await.unwrap();
    job
}

/// A script run as the job's user in a sandbox of the image.
async fn prints(script: &str, expected: &str) {
    let (bed, root) = with_image(script);
    let before = tree(&root);
    let job = start(&bed, Limits::default()).await;
    let (ended, log) = bed.end(job).await;
    assert_eq!(log, expected);
    assert_eq!(ended.end, SandboxEnd::Exited { code: 0 }, "{log}");
    assert_eq!(tree(&root), before, "the image itself never changes");
}

/// A bed whose agentd runs this script as the job's user, and the root of its image.
fn with_image(script: &str) -> (Bed, PathBuf) {
    let bed = Bed::new(&format!("exec {} /bin/sh /opt/cagent/script.sh", as_command()));
    fs::write(bed.config.tools.join("script.sh"), script).unwrap();
    let root = import(&bed, &archive());
    (bed, root)
}

/// Every path beneath a directory.
pub(crate) fn tree(root: &Path) -> BTreeSet<PathBuf> {
    let (mut all, mut open) = (BTreeSet::new(), vec![root.to_owned()]);
    while let Some(dir) = open.pop() {
        for path in fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() && !path.is_symlink() {
                open.push(path.clone());
            }
            all.insert(path);
        }
    }
    all
}

#[tokio::test]
async fn it_is_the_root_file_system_and_nothing_of_the_host_is_there() {
    prints(
        "ls -d /usr/share /usr/bin/python3 /etc/passwd 2>/dev/null; cat /opt/theirs; cat /etc/hostname\n\
         ls -A /workspace; ls -d /dev/null /dev/shm /proc/self /run/cagent /tmp /home/agent",
        "lower\nsandbox\n/dev/null\n/dev/shm\n/home/agent\n/proc/self\n/run/cagent\n/tmp\n",
    )
    .await;
}

#[tokio::test]
async fn files_belong_to_those_that_the_image_says() {
    let expected = if is_root() {
        "0 /opt/theirs\n1000 /opt/venv/mine\n65534 /opt/others\n0 /\n0 /tmp\n1000 /workspace\n"
    } else {
        "1000 /opt/theirs\n1000 /opt/venv/mine\n1000 /opt/others\n1000 /\n1000 /tmp\n1000 /workspace\n"
    };
    let script = "stat -c '%u %n' /opt/theirs /opt/venv/mine /opt/others / /tmp /workspace";
    prints(script, expected).await;
}

#[tokio::test]
async fn what_is_the_jobs_can_be_changed_and_only_for_this_job() {
    let refused = if is_root() { "refused\n" } else { "" };
    prints(
        "set -e; cd /opt/venv; echo upper > mine; mkdir -p lib/x; echo new > lib/x/y\n\
         cat mine lib/x/y; rm -r mine lib; mkdir lib; ls; echo x > /tmp/t\n\
         (echo x > /opt/theirs) 2>/dev/null || echo refused\n",
        &format!("upper\nnew\nlib\n{refused}"),
    )
    .await;
}

#[tokio::test]
async fn its_makers_variables_are_there() {
    let (bed, _) = with_image("");
    let job = create(&bed, NAME, Limits::default()).await.unwrap();
    let environment = &bed.plan(job)["root"]["environment"];
    assert_eq!(environment[0][0], "PATH", "one is made up where the maker set none");
    bed.engine.remove(job).await.unwrap();
    fs::write(bed.config.tools.join("script.sh"), "env").unwrap();
    let job = start(&bed, Limits::default()).await;
    let (_, log) = bed.end(job).await;
    for line in ["PATH=/usr/local/sbin:", "CAGENT_IMAGE=1", "HOME=/home/agent", "LANG=C.UTF-8"] {
        assert!(log.lines().any(|found| found.starts_with(line)), "{line}: {log}");
    }
}

#[tokio::test]
async fn what_is_changed_is_bounded() {
    let (bed, _) = with_image("head -c 200000000 /dev/zero > /opt/venv/big; wc -c < /opt/venv/big");
    let limits = Limits { disk_bytes: 32 << 20, memory_bytes: 64 << 20, ..Limits::default() };
    let job = start(&bed, limits).await;
    let (ended, log) = bed.end(job).await;
    let written: u64 = log.lines().last().unwrap().trim().parse().unwrap();
    assert!(written <= 32 << 20, "{log}");
    assert_eq!(ended.disk_full, is_root(), "{ended:?}");
}

#[tokio::test]
async fn its_workspace_is_that_of_every_job() {
    let (bed, _) = with_image("echo result > /workspace/file; ls -A / > /dev/null");
    let job = start(&bed, Limits::default()).await;
    bed.wait(job).await;
    let workspace = bed.engine.workspace(job).await.unwrap();
    let names: Vec<_> =
        fs::read_dir(workspace.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, ["file"]);
    // An orchestrator that comes later finds it too.
    let again = engine_local::LocalEngine::open(bed.config.clone()).unwrap();
    let workspace = again.workspace(job).await.unwrap();
    assert_eq!(fs::read_to_string(workspace.path().join("file")).unwrap(), "result\n");
    drop(workspace);
    bed.engine.remove(job).await.unwrap();
}

#[tokio::test]
async fn an_image_that_is_not_there_is_refused_with_what_helps() {
    let bed = Bed::new("");
    let refusal = |error: EngineError| {
        assert!(matches!(error, EngineError::Image { .. }), "{error:?}");
        error.to_string()
    };
    let text = refusal(create(&bed, "none", Limits::default()).await.unwrap_err());
    assert!(text.contains("cagent image import"), "{text}");
    import(&bed, &archive());
    let text = refusal(create(&bed, "none", Limits::default()).await.unwrap_err());
    assert!(text.contains(NAME), "{text}");
    let text = refusal(create(&bed, "../x", Limits::default()).await.unwrap_err());
    assert!(text.contains("no name of an image"), "{text}");
    assert_eq!(bed.engine.list().await.unwrap(), [], "nothing is left");
}

#[tokio::test]
async fn who_has_an_image_keeps_it_when_a_newer_one_takes_its_name() {
    let (bed, old) =
        with_image("until test -e /workspace/go; do sleep 0.01; done; cat /opt/venv/mine");
    let job = start(&bed, Limits::default()).await;
    let new = import(&bed, &archive());
    assert!(old.is_dir() && new.is_dir() && old != new);
    let workspace = bed.engine.workspace(job).await.unwrap();
    fs::write(workspace.path().join("go"), "").unwrap();
    drop(workspace);
    let (_, log) = bed.end(job).await;
    assert_eq!(log, "lower\n");
    // Its helper may be gone a moment later.
    eventually("swept", || {
        import(&bed, &archive());
        !old.exists()
    })
    .await;
}
