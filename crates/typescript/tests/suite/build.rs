//! `ts build`, and plain Node on what it writes.

use crate::support::Tree;

fn project() -> Tree {
    Tree::of(&[
        (
            "src/main.ts",
            "import { a } from './a'; import { b } from './b.ts'; import { d } from './dir';
            import { m } from './m.mts'; import type { T } from './types'; export * from './a.js';
            const t: T = 1; const { e } = await import('./deep/e');
            console.log(a, b, d, m, e, t)",
        ),
        ("src/a.ts", "export enum A { X = 1 } export const a = A.X"),
        ("src/b.ts", "export const b: number = 2"),
        ("src/dir/index.ts", "export { c as d } from '../c'"),
        ("src/c.ts", "export const c: number = 3"),
        ("src/m.mts", "export const m: number = 4"),
        ("src/deep/e.tsx", "export const e: number = 5"),
        ("src/types.ts", "export type T = number"),
        ("src/global.d.ts", "declare const nothing: string"),
        ("src/notes.txt", "not copied"),
        ("src/node_modules/x/i.ts", "not valid at all"),
        ("out/package.json", r#"{"type": "module"}"#),
    ])
}

#[test]
fn plain_node_runs_what_was_built() {
    let tree = project();
    tree.ts(&["build", "src", "--out", "out"]).good();
    assert_eq!(tree.node("out/main.js").good(), "1 2 3 4 5 1");
}

#[test]
fn only_typescript_is_written_at_the_same_place() {
    let tree = project();
    tree.ts(&["build", "src", "--out", "out"]).good();
    for there in ["a.js", "m.mjs", "deep/e.js", "dir/index.js", "types.js"] {
        assert!(tree.path("out").join(there).is_file(), "{there}");
    }
    for absent in ["global.d.js", "notes.txt", "node_modules", "main.ts"] {
        assert!(!tree.path("out").join(absent).exists(), "{absent}");
    }
}

#[test]
fn modules_that_older_nodes_would_not_know_are_mentioned() {
    let tree = Tree::of(&[("src/a.ts", "export {}"), ("src/b.mts", "export {}"), ("src/c.ts", "")]);
    let done = tree.ts(&["build", "src", "--out", "out"]);
    assert!(done.stderr.contains("runs out/a.js only beneath"), "{done:?}");
    let typed = project().ts(&["build", "src", "--out", "out"]);
    assert_eq!(typed.stderr, "");
}

#[test]
fn commonjs_is_built_too() {
    let tree = Tree::of(&[
        (
            "src/main.cts",
            "const { n } = require('./n.cts'); const { i } = require('./dir'); console.log(n, i)",
        ),
        ("src/n.cts", "exports.n = 1 as number"),
        ("src/dir/index.ts", "exports.i = 2 as number"),
    ]);
    tree.ts(&["build", "src", "--out", "src/dist"]).good();
    tree.ts(&["build", "src", "--out", "src/dist"]).good();
    assert_eq!(tree.node("src/dist/main.cjs").good(), "1 2");
    assert!(!tree.path("src/dist/dist").exists());
}

#[test]
fn every_syntax_error_is_shown_and_nothing_written() {
    let tree = Tree::of(&[
        ("src/a.ts", "let x: number =;"),
        ("src/b.ts", "\nenum {"),
        ("src/good.ts", "export {}"),
    ]);
    let stderr = tree.ts(&["build", "src", "--out", "out"]).bad(1);
    assert!(stderr.contains("src/a.ts:1:16: ") && stderr.contains("src/b.ts:2:6: "), "{stderr}");
    assert!(!tree.path("out").exists());
}

#[test]
fn two_sources_of_one_output_are_refused() {
    let tree = Tree::of(&[("src/a.ts", ""), ("src/a.tsx", "")]);
    let stderr = tree.ts(&["build", "src", "--out", "out"]).bad(1);
    assert!(stderr.contains("out/a.js"), "{stderr}");
    assert!(!tree.path("out").exists());
}

#[test]
fn a_missing_source_directory_is_named() {
    let stderr = Tree::of(&[]).ts(&["build", "nowhere", "--out", "out"]).bad(1);
    assert!(stderr.contains("cannot read nowhere"), "{stderr}");
}
