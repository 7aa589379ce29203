//! Where files are saved, and which of a job's files are named.

use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _, symlink};
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat};
use testkit::{DataDir, Server};

use crate::support::{CAGENT, bash, call, refusal, stdout};

/// A pipe, and an end of it that can be read when the writers are gone.
fn pipe(path: &Path) -> File {
    mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    File::options().read(true).custom_flags(flags).open(path).unwrap()
}

fn read(mut file: File) -> Vec<u8> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).unwrap();
    bytes
}

#[test]
fn a_pipe_stays_one_and_a_link_is_written_through() {
    let data = DataDir::new();
    let folder = data.path().parent().unwrap();
    let (fifo, link) = (folder.join("fifo"), folder.join("link"));
    let mut reader = pipe(&fifo);
    fs::create_dir(folder.join("deep")).unwrap();
    fs::write(folder.join("deep/file"), "old").unwrap();
    symlink("deep/file", &link).unwrap();
    symlink("nowhere", folder.join("dangling")).unwrap();

    let task = bash("echo made > x.txt");
    let said = stdout(&call(&data, &["run", "--output", "fifo", &task]), 0);
    let job = said.lines().next().unwrap().trim_start_matches("job ");
    let mut zip = Vec::new();
    reader.read_to_end(&mut zip).unwrap();
    assert!(zip.starts_with(b"PK"), "{} bytes", zip.len());
    stdout(&call(&data, &["cp", &format!("{job}:x.txt"), "fifo"]), 0);
    assert_eq!(read(reader), b"made\n");
    assert!(fs::symlink_metadata(&fifo).unwrap().file_type().is_fifo());

    stdout(&call(&data, &["download", job, "--output", "link"]), 0);
    assert!(link.is_symlink());
    assert_eq!(fs::read(folder.join("deep/file")).unwrap(), zip);
    let text = refusal(&call(&data, &["download", job, "--output", "dangling"]));
    assert!(text.contains("a link to a file that is not there"), "{text}");
}

#[tokio::test]
async fn a_path_that_leads_elsewhere_is_refused() {
    let server = Server::start(CAGENT).await;
    let (data, client) = (server.data_dir(), server.client());
    let id = client.run(&bash("mkdir a; echo x > x.txt; echo y > a/y.txt")).await;
    client.wait_end(id).await;
    fs::write(data.path().parent().unwrap().join("x.txt"), "").unwrap();
    for (path, said) in
        [("a/../x.txt", "`..`"), ("./x.txt", "`.`"), ("a//y.txt", "empty"), ("x\n.txt", "spelled")]
    {
        let job = format!("{id}:{path}");
        for args in [["cp", &job, "-"], ["cp", "x.txt", &job]] {
            let text = refusal(&call(data, &args));
            assert!(text.contains(said), "{args:?}: {text}");
        }
    }
    for (path, said) in [("..", "`..`"), (".", "`.`"), ("/a", "relative"), ("/", "relative")] {
        let text = refusal(&call(data, &["files", &id.to_string(), path]));
        assert!(text.contains(said), "{path}: {text}");
    }
    assert!(stdout(&call(data, &["files", &id.to_string(), "a/"]), 0).contains("y.txt"));
}

#[test]
fn settings_are_read_from_small_files_only() {
    let data = DataDir::new();
    let env_file = data.path().parent().unwrap().join(".env");
    let fifo = data.path().parent().unwrap().join("fifo");
    // With a writer, so that a reader would wait for what never comes.
    mknodat(CWD, &fifo, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    let _writer = File::options().read(true).write(true).open(&fifo).unwrap();
    let refused = |args: &[&str], name: &str, said: &str| {
        let text = refusal(&call(&data, args));
        assert!(text.contains(name) && text.contains(said), "{args:?}: {text}");
    };
    symlink("fifo", &env_file).unwrap();
    refused(&["config"], ".env", "no regular file");
    fs::remove_file(&env_file).unwrap();
    refused(&["--config", "fifo", "config"], "fifo", "no regular file");
    symlink("/dev/zero", &env_file).unwrap();
    refused(&["config"], ".env", "no regular file");
    fs::remove_file(&env_file).unwrap();
    File::create(&env_file).unwrap().set_len((1 << 20) + 1).unwrap();
    refused(&["config"], ".env", "more than 1 MiB");
    refused(&["--config", ".env", "config"], ".env", "more than 1 MiB");
}
