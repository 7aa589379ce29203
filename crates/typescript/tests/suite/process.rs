//! What a script shares with the world: arguments, streams, exit codes, stack traces, children.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use crate::support::{Done, Tree, nodes, text};

#[test]
fn the_node_is_the_one_in_path() {
    let tree = Tree::of(&[("main.ts", "console.log(process.version as string)")]);
    for node in nodes() {
        assert_eq!(Done::of(tree.on(node).args(["run", "main.ts"])).good(), node.version);
    }
}

#[test]
fn arguments_are_the_scripts_own() {
    let tree = Tree::of(&[("main.ts", "console.log(JSON.stringify(process.argv.slice(1)))")]);
    let printed = tree.run(&["main.ts", "--as", "-x", "", "a b"]).good();
    assert_eq!(printed, format!(r#"["{}","--as","-x","","a b"]"#, tree.path("main.ts").display()));
}

#[test]
fn the_exit_code_is_nodes() {
    let tree = Tree::of(&[
        ("exit.ts", "process.exit(7 as number)"),
        ("code.ts", "export {}; process.exitCode = 3"),
        ("stuck.ts", "await new Promise(() => {})"),
    ]);
    for (file, code) in [("exit.ts", 7), ("code.ts", 3), ("stuck.ts", 13)] {
        tree.run(&[file]).bad(code, |_| true);
    }
}

#[test]
fn signals_reach_the_script() {
    let tree = Tree::of(&[(
        "main.ts",
        "process.on('SIGTERM', () => process.exit(9 as number));
         setInterval(() => {}, 1e6); console.log('ready')",
    )]);
    for node in nodes() {
        let mut child =
            tree.on(node).args(["run", "main.ts"]).stdout(Stdio::piped()).spawn().unwrap();
        let mut ready = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        Done::of(tree.command("kill").arg(child.id().to_string())).good();
        assert_eq!(child.wait().unwrap().code(), Some(9), "{}", node.version);
    }
}

#[test]
fn warnings_are_the_scripts_own() {
    let tree = Tree::of(&[("main.ts", "process.emitWarning('mine'); process.exitCode = 1")]);
    tree.run(&["main.ts"]).bad(1, |stderr| {
        stderr.contains("Warning: mine") && stderr.matches("Warning").count() == 1
    });
}

#[test]
fn stdin_passes_through() {
    let tree = Tree::of(&[(
        "main.ts",
        "let all = ''; for await (const part of process.stdin) all += part; console.log(all.length)",
    )]);
    for node in nodes() {
        let mut command = tree.on(node);
        command.args(["run", "main.ts"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(&[b'x'; 200_000]).unwrap();
        let done = Done::from(child.wait_with_output().unwrap());
        assert_eq!(done.good(), "200000", "{}", node.version);
    }
}

#[test]
fn stack_traces_show_the_typescript() {
    let body = "interface A {\n  a: number;\n}\nenum E { X }\nfunction boom(): never {\n  throw new Error('boom');\n}\n";
    let tree = Tree::of(&[("steps/1", &format!("{body}boom();"))]);
    let module = Tree::of(&[("steps/1", &format!("{body}export {{}};\nboom();"))]);
    for tree in [tree, module] {
        let as_path = tree.path("work/step-1.ts");
        let place = format!("at boom ({}:6:9)", as_path.display());
        tree.run(&["--as", text(&as_path), "steps/1"])
            .bad(1, |stderr| stderr.contains(&place) && !stderr.contains("data:"));
    }
}

#[test]
fn traces_and_late_errors_show_the_typescript() {
    let code = "interface A { a: number }\n\nfunction late(): void { console.trace('here'); null!.x }\n\nsetTimeout(() => late(), 1)";
    let tree = Tree::of(&[("main.ts", code)]);
    let places =
        ["3:33", "3:54", "5:18"].map(|at| format!("{}:{at}", tree.path("main.ts").display()));
    tree.run(&["main.ts"]).bad(1, |stderr| {
        places.iter().all(|place| stderr.contains(place)) && stderr.contains("null!.x }\n")
    });
}

#[test]
fn stack_traces_of_imported_files_show_the_typescript() {
    let tree = Tree::of(&[
        ("main.ts", "import { boom } from './lib'; boom()"),
        ("lib.ts", "type A = 1;\n\nexport function boom() {\n  throw new Error('x' as string) }"),
    ]);
    let place = format!("({}:4:9)", tree.path("lib.ts").display());
    tree.run(&["main.ts"]).bad(1, |stderr| stderr.contains(&place));
}

#[test]
fn forks_and_workers_speak_typescript_too() {
    let tree = Tree::of(&[
        ("child.ts", "enum E { A = 4 } process.send!(E.A)"),
        (
            "worker.ts",
            "import { parentPort } from 'node:worker_threads'; parentPort!.postMessage(5 as number)",
        ),
        (
            "main.ts",
            "import { fork } from 'node:child_process';
             import { once } from 'node:events';
             import { Worker } from 'node:worker_threads';
             const [a] = await once(fork(new URL('./child.ts', import.meta.url)), 'message');
             const [b] = await once(new Worker(new URL('./worker.ts', import.meta.url)), 'message');
             console.log(a, b);",
        ),
    ]);
    assert_eq!(tree.run(&["main.ts"]).good(), "4 5");
}

#[test]
fn a_script_may_fork_itself() {
    let tree = Tree::of(&[(
        "steps/1",
        "if (process.send) process.send(6 as number); else require('child_process').fork(__filename).on('message', (m: number) => console.log(m))",
    )]);
    let as_path = tree.path("work.ts");
    assert_eq!(tree.run(&["--as", text(&as_path), "steps/1"]).good(), "6");
}

#[test]
fn without_node_it_says_so() {
    let tree = Tree::of(&[("main.ts", "")]);
    let mut command = tree.command(env!("CARGO_BIN_EXE_ts"));
    let stderr = Done::of(command.args(["run", "main.ts"]).env("PATH", tree.path(""))).bad(127);
    assert!(stderr.contains("install Node"), "{stderr}");
}

#[test]
fn an_old_node_is_refused() {
    let tree = Tree::of(&[("main.ts", ""), ("node", "#!/bin/sh\necho v16.20.2\n")]);
    let node = tree.path("node");
    std::fs::set_permissions(node, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = tree.command(env!("CARGO_BIN_EXE_ts"));
    let stderr = Done::of(command.args(["run", "main.ts"]).env("PATH", tree.path(""))).bad(127);
    assert!(stderr.contains("v16.20.2") && stderr.contains("Node 18 or newer"), "{stderr}");
}

#[test]
fn a_missing_file_is_named() {
    Tree::of(&[])
        .run(&["nowhere.ts"])
        .bad(1, |stderr| stderr.contains("cannot read") && stderr.contains("nowhere.ts"));
}

#[test]
fn a_wrong_command_line_shows_the_usage() {
    let tree = Tree::of(&[]);
    for args in [&[][..], &["dance"], &["run"], &["run", "--fast", "a.ts"], &["build", "src"]] {
        let stderr = tree.ts(args).bad(2);
        assert!(stderr.contains("ts run [--as PATH]"), "{args:?}: {stderr}");
    }
    assert!(tree.ts(&["--help"]).good().contains("ts build"));
    assert_eq!(tree.ts(&["--version"]).good(), concat!("ts ", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_source_may_be_nested_deeply() {
    let sum = ["1"; 20_000].join(" + ");
    let tree = Tree::of(&[
        (
            "main.ts",
            &format!(
                "const x: number = {sum}; import('./lib').then(({{ y }}) => console.log(x, y))"
            ),
        ),
        ("lib.ts", &format!("export const y: number = {sum};")),
    ]);
    assert_eq!(tree.run(&["main.ts"]).good(), "20000 20000");
}
