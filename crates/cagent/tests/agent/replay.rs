//! An agent's run, done again from its runbook without any model.

use std::collections::BTreeMap;
use std::process::Stdio;

use serde_json::json;
use testkit::scripted::{Provider, Reply};
use testkit::{Builder, DataDir, Server};

use crate::support::{Ended, Model, SHORT, ended, finish, shell};

const ONE: &[Provider] = &[Provider::Gemini];

#[tokio::test]
async fn the_fibonacci_job_by_the_program_itself() {
    let model = Model::file("fibonacci.json").await;
    let task = "Create a Python script that calculates Fibonacci numbers, with tests";
    let first = model.runs(ONE, task).await;
    first.assert_verified();
    let data = DataDir::new();
    let folder = data.path().parent().unwrap();
    std::fs::write(folder.join("runbook.md"), first.text(".cagent/runbook.md")).unwrap();
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_cagent"));
    let run = ["run", "runbook.md", "--data-dir"];
    let command = command.args(run).arg(data.path()).current_dir(folder).stdin(Stdio::null());
    let output = command.output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    let server = Builder::new(env!("CARGO_BIN_EXE_cagent")).data_dir(&data).start().await;
    let [job] = &server.client().jobs().await.jobs[..] else { panic!("not one job") };
    assert_same(&first, &ended(&server, job.job_id).await);
}

#[tokio::test]
async fn files_of_every_kind() {
    let fences = "# Title\n\n```bash\necho no\n```\n````\n~~~\n---\nrunbook: 1\n---\n";
    let write = |path: &str, content: &str| {
        Reply::call("write_file", json!({ "path": path, "content": content }))
    };
    again([
        write("fences.md", fences),
        write("no-line-feed.txt", "the last line"),
        write("blank.txt", "\n\n\n"),
        write("empty.txt", ""),
        write("dos.txt", "one\r\ntwo\r\n"),
        write("spaces.txt", "  \t indented \t  \n\ttab"),
        write("bytes.txt", "nul \u{0} bell \u{7} bom \u{feff} line \u{2028} end"),
        write("größe/日本 語.txt", "ü\n日本語\n🦀"),
        write("with space/and 'quote' $x `tick` & more\\.txt", "x\n"),
        write("/workspace/deep/er/file.txt", "absolute\n"),
        write("-dash.txt", "dash\n"),
        write(".hidden", "hidden\n"),
        write("long.txt", &"0123456789 ".repeat(200)),
        finish(&["fences.md", "größe/日本 語.txt"], "test -s fences.md"),
    ])
    .await;
}

#[tokio::test]
async fn steps_that_fail() {
    again([
        shell("echo before > a.txt; exit 3; echo never > b.txt"),
        shell("echo kill > c.txt; kill -9 $$"),
        shell("false | true\necho never > d.txt"),
        Reply::call(
            "python",
            json!({ "code": "open('e.txt', 'w').write('e')\nraise SystemExit(7)" }),
        ),
        Reply::call("python", json!({ "code": "open('f.txt', 'w').write('f')\n1 / 0" })),
        Reply::call("typescript", json!({ "code": "throw new Error('x')" })),
        shell("this is ( no script"),
        Reply::call("read_file", json!({ "path": "nothing.txt" })),
        Reply::call("edit_file", json!({ "path": "a.txt", "old": "absent", "new": "x" })),
        finish(&["zz.txt"], "test -f zz.txt"),
        shell("echo zz > zz.txt"),
        finish(&["zz.txt"], "test -f zz.txt"),
    ])
    .await;
}

#[tokio::test]
async fn edits() {
    let edit = |old: &str, new: &str, all: bool| {
        let arguments = json!({ "path": "run.sh", "old": old, "new": new, "all": all });
        Reply::call("edit_file", arguments)
    };
    again([
        Reply::call("write_file", json!({ "path": "run.sh", "content": "#!/bin/sh\necho a a\n" })),
        shell("chmod 750 run.sh; ./run.sh > first.txt"),
        edit("echo", "printf '%s\\n'", false),
        edit("a", "b", true),
        shell("./run.sh > second.txt; echo '# grown' >> run.sh"),
        edit("# grown", "# edited", false),
        finish(&["run.sh"], "test -x run.sh && ./run.sh"),
    ])
    .await;
}

#[tokio::test]
async fn places_and_variables() {
    again([
        shell("mkdir -p sub/deep; cd sub; export WHO='w \"o\" $r' EMPTY=; local_only=x"),
        shell("pwd > where.txt; printf %s \"$WHO${local_only-unset}${EMPTY-unset}\" > who.txt; cd deep"),
        Reply::call("write_file", json!({ "path": "relative.txt", "content": "where?\n" })),
        Reply::call("edit_file", json!({ "path": "relative.txt", "old": "where", "new": "here" })),
        Reply::call("python", json!({
            "code": "import os\nopen('py.txt', 'w').write(os.getcwd() + os.environ['WHO'])"
        })),
        shell("cd /tmp; unset WHO; export PATH=$PATH:/nowhere"),
        shell("echo \"${WHO-unset} $PWD\" > /workspace/last.txt; exit 1"),
        shell("cd /workspace; echo \"$PATH\" > path.txt"),
        Reply::call("typescript", json!({
            "code": "import { writeFileSync } from 'node:fs';\nconst n: number = 7;\nwriteFileSync('ts.txt', `${n}`);"
        })),
        finish(&["ts.txt"], "test \"$(cat ts.txt)\" = 7"),
    ])
    .await;
}

#[tokio::test]
async fn scripts_with_anything_in_them() {
    again([
        shell("cat > here.md <<'END'\n```bash\nrm -rf /\n```\n~~~\n`````\nEND\n\n\n"),
        shell("\n\n   echo \"$(cat <<X\na\n  b\nX\n)\"   > inner.txt\n"),
        shell("printf 'é\\t\\\\n' > 'ü ö.txt' # ```"),
        shell("#!/bin/bash\n# ---\n# runbook: 2\necho hi > hi.txt"),
        Reply::call(
            "python",
            json!({ "code": "x = '''\n```\n~~~~\n'''\nopen('x.txt', 'w').write(x)\n" }),
        ),
        finish(&["x.txt"], "grep -q '```' x.txt"),
    ])
    .await;
}

/// Has a model do this, and then does it again; what is made must be the same.
async fn again(replies: impl IntoIterator<Item = Reply>) {
    let model = Model::says(replies).await;
    let first = model.runs(ONE, SHORT).await;
    first.assert_verified();
    let server = Server::start(env!("CARGO_BIN_EXE_cagent")).await;
    let job =
        server.client().schedule(&json!({ "prompt": first.text(".cagent/runbook.md") })).await;
    let second = ended(&server, job).await;
    let log = String::from_utf8_lossy(&second.files[".cagent/stderr.log"]).into_owned();
    let runbook = first.text(".cagent/runbook.md");
    assert_eq!(
        second.job.status,
        types::JobStatus::Complete,
        "{:#?}\n{log}\n{runbook}",
        second.job
    );
    assert_same(&first, &second);
}

/// The same files with the same bytes, but for what tells of the job itself.
#[track_caller]
fn assert_same(first: &Ended, again: &Ended) {
    let (first_made, made) = (made(first), made(again));
    assert!(!made.is_empty());
    let names: [Vec<_>; 2] = [first_made.keys().collect(), made.keys().collect()];
    assert_eq!(names[0], names[1], "{}", first.text(".cagent/runbook.md"));
    for (name, content) in made {
        let before = first_made[name];
        let text = [before, content].map(|content| String::from_utf8_lossy(content));
        assert!(before == content, "{name}: {text:#?}\n{}", first.text(".cagent/runbook.md"));
    }
}

fn made(ended: &Ended) -> BTreeMap<&String, &Vec<u8>> {
    let theirs = |name: &String| !name.starts_with(".cagent/") && name != "context.txt";
    ended.files.iter().filter(|(name, _)| theirs(name)).collect()
}
