//! TypeScript's own syntax, run by the real Node.

use crate::support::{Tree, text};

#[track_caller]
fn prints(code: &str, expected: &str) {
    assert_eq!(Tree::of(&[("main.ts", code)]).run(&["main.ts"]).good(), expected);
}

#[test]
fn types_go() {
    prints(
        "interface A { n: number }
         type B = A | string;
         const a = { n: 1 } as A satisfies B;
         function id<T extends B>(x: T, y?: number): T { return x!; }
         abstract class C { declare x: number; abstract f(): void }
         declare const nowhere: string;
         console.log(id<A>(a).n, Object.keys(new (C as any)()).length);",
        "1 0",
    );
}

#[test]
fn enums_stay() {
    prints(
        "enum E { A, B = 5, C, S = 's', N = E.B * 2 }
         const enum K { X = 7 }
         console.log(E.A, E.C, E[5], E.S, E.N, K.X);",
        "0 6 B s 10 7",
    );
}

#[test]
fn namespaces_stay() {
    prints(
        "namespace Outer { export const a = 1; export namespace Inner { export const b = a + 1 } }
         namespace Types { export interface Nothing {} }
         console.log(Outer.a, Outer.Inner.b, typeof globalThis['Types']);",
        "1 2 undefined",
    );
}

#[test]
fn parameter_properties_are_assigned() {
    prints(
        "class P { constructor(private readonly a: number, public b = 2) {} sum() { return this.a + this.b } }
         console.log(new P(1).sum());",
        "3",
    );
}

#[test]
fn experimental_decorators_work_without_a_package() {
    prints(
        "const log: string[] = [];
         const on = (name: string) => (...args: any[]) => { log.push(name + args.length) };
         @on('class') class D {
           @on('field') f = 1;
           @on('method') m(@on('parameter') p: number) {}
         }
         function double(target: any, key: string, d: PropertyDescriptor) {
           const inner = d.value; d.value = function (n: number) { return 2 * inner(n) };
         }
         class M { @double f(n: number) { return n } }
         console.log(log.join(' '), new M().f(4));",
        "field3 parameter3 method3 class1 8",
    );
}

#[test]
fn using_works_on_a_node_without_it() {
    prints(
        "const dispose = Symbol.dispose ?? Symbol.for('Symbol.dispose');
         const asyncDispose = Symbol.asyncDispose ?? Symbol.for('Symbol.asyncDispose');
         const log: string[] = [];
         const thing = (name: string) => ({ [dispose]() { log.push(name) } });
         const later = (name: string) => ({ async [asyncDispose]() { log.push(name) } });
         try {
           using a = thing('a'), none = null, b = { [dispose]() { throw new Error('b') } };
           throw new Error('body');
         } catch (e: any) { log.push(e.name, e.error.message, e.suppressed.message) }
         { await using c = later('c'); using d = thing('d') }
         try { using e = 5 as any } catch (e: any) { log.push(e.name) }
         console.log(log.join(' '));",
        "a SuppressedError b body d c TypeError",
    );
}

#[test]
fn jsx_calls_the_factory() {
    let tree = Tree::of(&[(
        "main.tsx",
        "/** @jsxRuntime classic */ /** @jsx h */
         const h = (tag: string, props: object | null, ...kids: unknown[]) => `${tag}:${kids}`;
         console.log(<b>bold</b>);",
    )]);
    assert_eq!(tree.run(&["main.tsx"]).good(), "b:bold");
}

#[test]
fn top_level_await_makes_a_module() {
    prints("console.log(this, await Promise.resolve(1))", "undefined 1");
    prints("await (async () => console.log(this))()", "undefined");
    prints("{ await using x = null; console.log(this) }", "undefined");
    prints("for await (const x of [1]) console.log(this, x)", "undefined 1");
    prints("async function f() { await 1 } f().then(() => console.log(this))", "{}");
}

#[test]
fn modules_may_use_commonjs_variables() {
    let code = "import { basename } from 'node:path';
        import os = require('node:os');
        if (require.main === module) console.log(basename(__filename), basename(__dirname), !!os);
        export const main = require.main === module, e = require('node:events').once.name;";
    let tree = Tree::of(&[
        ("dir/main.ts", code),
        ("other.ts", "import { main, e } from './dir/main'; console.log(main, e)"),
        (
            "own.ts",
            "export const require = 1, __filename = 2; console.log(require, __filename, !!__dirname)",
        ),
        ("lost.ts", "import 'node:fs'; module.exports = 1"),
    ]);
    assert_eq!(tree.run(&["dir/main.ts"]).good(), "main.ts dir true");
    assert_eq!(tree.run(&["other.ts"]).good(), "false once");
    assert_eq!(tree.run(&["own.ts"]).good(), "1 2 true");
    let told = "TypeError: Cannot add property exports";
    tree.run(&["lost.ts"]).bad(1, |stderr| stderr.contains(told));
}

#[test]
fn import_meta_knows_its_place_on_a_node_where_it_did_not() {
    prints(
        "console.log(import.meta.filename === __filename, import.meta.dirname === __dirname)",
        "true true",
    );
}

#[test]
fn import_equals_and_export_equals_make_commonjs() {
    let tree = Tree::of(&[
        ("main.ts", "import lib = require('./lib'); console.log(lib.n, typeof require)"),
        ("lib.ts", "export = { n: 1 as number }"),
    ]);
    assert_eq!(tree.run(&["main.ts"]).good(), "1 function");
}

#[test]
fn a_syntax_error_says_where() {
    let tree = Tree::of(&[("step.ts", "const a = 1;\n\nlet é: = 2;\n")]);
    let as_path = tree.path("work/main.ts");
    let place = format!("{}:3:8: ", as_path.display());
    tree.run(&["--as", text(&as_path), "step.ts"])
        .bad(1, |stderr| stderr.starts_with(&place) && !stderr.contains("loader"));
}

#[test]
fn a_syntax_error_in_an_imported_file_says_where() {
    for import in ["import './lib'", "require('./lib')"] {
        let tree = Tree::of(&[("main.ts", import), ("lib.ts", "let a;\nlet a;")]);
        let place = format!("{}:1:5: ", tree.path("lib.ts").display());
        tree.run(&["main.ts"]).bad(1, |stderr| stderr.contains(&place));
    }
}
