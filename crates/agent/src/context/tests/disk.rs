//! What commands can do to the file, and what a full disk does.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Read, Seek, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::process::{Child, Command, Stdio};

use super::*;

fn worked() -> (Context, File) {
    let (mut context, file) = memory(131_072);
    context.append(Entry::Task { text: "The task".into() }).unwrap();
    context.set_plan(plan(&["a step"])).unwrap();
    for n in 0..20 {
        step(&mut context, n, "ls", &format!("{} result {n}", noise(n, 2000)));
    }
    context.append(Entry::Person { text: "Mind the gap".into() }).unwrap();
    context.question(&frame()).unwrap();
    (context, file)
}

#[test]
fn a_truncated_log_is_told_as_changed_and_goes_on() {
    let (mut context, file) = worked();
    file.set_len(1000).unwrap();
    let question = context.question(&frame()).unwrap();
    assert_sound(&question);
    let told = all_text(&question);
    for wanted in ["[changed on disk]", "The task", "a step", "Mind the gap"] {
        assert!(told.contains(wanted), "{wanted} in {told}");
    }
    step(&mut context, 99, "ls", "after the cut");
    assert!(all_text(&context.question(&frame()).unwrap()).contains("after the cut"));
    let n = context.len();
    let again = reopened(&file, 131_072);
    assert_eq!(again.len(), n);
    assert!(again.recall("after the cut").unwrap().contains("after the cut"));
}

#[test]
fn a_changed_entry_is_told_as_such_and_no_other() {
    let (mut context, file) = worked();
    let mut bytes = vec![];
    (&file).rewind().unwrap();
    (&file).read_to_end(&mut bytes).unwrap();
    let at = bytes.windows(9).position(|w| w == b"result 7\"").unwrap();
    // As another process opens it: what is opened to append can only append.
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    let theirs = OpenOptions::new().write(true).open(path).unwrap();
    theirs.write_all_at(b"RESULT", at as u64).unwrap();
    let told = all_text(&context.question(&frame()).unwrap());
    assert!(!told.contains("RESULT 7"));
    assert!(told.contains("[changed on disk]"));
    assert!(told.contains("result 8"));
}

#[test]
fn strange_lines_change_no_numbers() {
    let (mut context, mut file) = worked();
    let n = context.append(Entry::Note { text: "before".into() }).unwrap();
    file.write_all(b"{\"n\": 3, \"entry\": {}}\n\xff\xfe\n{\"n\":999999999,\"entry\":{\"note\":{\"text\":\"no\"}}}\nhalf a li")
        .unwrap();
    let after = context.append(Entry::Note { text: "after".into() }).unwrap();
    assert_eq!(after, n + 1);
    let again = reopened(&file, 131_072);
    assert_eq!(again.len(), after + 1);
    assert!(again.recall(&format!("#{after}")).unwrap().contains("after"));
    assert!(again.recall(&format!("#{n}")).unwrap().contains("before"));
}

#[test]
fn a_torn_last_line_is_dropped() {
    let (context, file) = worked();
    let n = context.len();
    let length = file.metadata().unwrap().len();
    file.set_len(length - 5).unwrap();
    let mut again = reopened(&file, 131_072);
    assert_eq!(again.len(), n - 1);
    again.append(Entry::Note { text: "goes on".into() }).unwrap();
    let mut third = reopened(&file, 131_072);
    assert_eq!(third.len(), n);
    assert!(all_text(&third.question(&frame()).unwrap()).contains("goes on"));
}

/// A memory on a disk that is full.
fn on_a_full_disk() -> Context {
    let full = OpenOptions::new().read(true).write(true).open("/dev/full").unwrap();
    let mut context = Context {
        log: super::super::log::Log::open(tempfile::tempfile().unwrap(), |_| {}).unwrap(),
        ..memory(8192).0
    };
    context.log = context.log.with_file(full);
    context
}

#[test]
fn what_finds_no_room_waits_for_it_and_not_for_ever() {
    let mut context = on_a_full_disk();
    let note = |n: u64| Entry::Note { text: format!("{n} {}", "x".repeat(100_000)) };
    context.append(Entry::Task { text: "make room".into() }).unwrap();
    assert!(all_text(&context.question(&frame()).unwrap()).contains("make room"));
    let held = (1..50).find(|n| context.append(note(*n)).is_err()).unwrap();
    assert!((10..20).contains(&held), "{held}");
    let remembered = context.len();
    let error = context.append(note(0)).unwrap_err();
    assert_eq!(context.len(), remembered, "what was refused is not remembered");
    assert!(error.to_string().contains("is there room left?"), "{error}");
    let file = tempfile::tempfile().unwrap();
    context.log = context.log.with_file(file.try_clone().unwrap());
    context.append(note(held)).unwrap();
    assert_eq!(reopened(&file, 8192).len(), remembered + 1, "all of it is on the disk then");
}

/// A small disk, which is there as long as its keeper.
struct Disk(Child);

impl Disk {
    fn of(size: &str) -> Self {
        let mount = "mount -t tmpfs -o size=$0 none /mnt; cd /mnt; echo; exec cat";
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-ec", mount, size]);
        let mut keeper = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let ready = BufReader::new(keeper.stdout.take().unwrap()).read_line(&mut String::new());
        assert_eq!(ready.unwrap(), 1, "user namespaces and `unshare` of util-linux are needed");
        Self(keeper)
    }

    fn file(&self) -> File {
        let path = format!("/proc/{}/cwd/log", self.0.id());
        OpenOptions::new().read(true).append(true).create(true).open(path).unwrap()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        self.0.wait().unwrap();
    }
}

#[test]
fn what_waits_counts_when_the_disk_took_what_it_could() {
    let mut context = on_a_full_disk();
    let note = |n: u64| Entry::Note { text: format!("{n} {}", "x".repeat(100_000)) };
    let held = (0..50).find(|n| context.append(note(*n)).is_err()).unwrap();
    let disk = Disk::of("400k");
    context.log = context.log.with_file(disk.file());
    let more = (held..50).find(|n| context.append(note(*n)).is_err()).unwrap();
    assert_eq!(more, held + 4, "so many found room");
    for n in 0..more {
        let Some(Entry::Note { text }) = context.log.read(n) else { panic!("{n} is lost") };
        assert!(text.starts_with(&format!("{n} x")));
    }
    assert_eq!(reopened(&disk.file(), 8192).len(), 4, "nothing half is on the disk");
}

#[test]
fn opened_again_it_asks_the_same_at_any_time() {
    for window in [8192, 131_072] {
        let (mut context, file) = memory(window);
        context.append(Entry::Task { text: "Work".into() }).unwrap();
        for n in 0..30 {
            context.set_plan(plan(&[&format!("step {n}")])).unwrap();
            step(&mut context, n, &noise(n, 3000), &noise(n, 9000));
            if n % 4 == 0 && context.summary_due().is_some() {
                context.sum_up(Some("A summary.")).unwrap();
            }
            let question = context.question(&frame()).unwrap();
            context.learn(&question, &answered(window, tokens(&question) * 5 / 4)).unwrap();
            let ours = serde_json::to_vec(&context.question(&frame()).unwrap()).unwrap();
            let mut again = reopened(&file, window);
            assert_eq!(serde_json::to_vec(&again.question(&frame()).unwrap()).unwrap(), ours);
            assert_eq!(again.summary_due(), context.summary_due());
        }
    }
}
