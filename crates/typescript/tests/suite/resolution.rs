//! What imports find.

use crate::support::{Tree, text};

const LIB: &str = "export enum Color { Red = 1 }\nexport const where: string = import.meta.url;";

#[test]
fn relative_imports_find_typescript() {
    let tree = Tree::of(&[
        ("lib.ts", LIB),
        ("m.mts", "export const m: number = 2"),
        ("dir/index.ts", "export const d: number = 3"),
        ("plain.js", "exports.p = 4"),
        (
            "main.ts",
            "import { Color } from './lib';
             import { Color as C2 } from './lib.ts';
             import { Color as C3 } from './lib.js';
             import { m } from './m.mjs';
             import { d } from './dir';
             import { d as d2 } from './dir/';
             import plain from './plain';
             const { Color: C4 } = await import('./lib');
             console.log(Color === C2 && C2 === C3 && C3 === C4, m, d, d2, plain.p);",
        ),
    ]);
    assert_eq!(tree.run(&["main.ts"]).good(), "true 2 3 3 4");
}

#[test]
fn require_finds_typescript() {
    let tree = Tree::of(&[
        ("lib.ts", "const n: number = 1; exports.n = n; exports.again = require('./sub')"),
        ("sub/index.cts", "module.exports = __filename as string"),
        ("dot/main.ts", "console.log(require('..').up)"),
        ("index.ts", "exports.up = 'up' as string"),
        (
            "main.ts",
            "const all = ['./lib', './lib.ts', './lib.js'].map((x: string) => require(x));
             console.log(new Set(all).size, all[0].n, all[0].again, require.main === module);",
        ),
    ]);
    let sub = tree.path("sub/index.cts");
    assert_eq!(tree.run(&["main.ts"]).good(), format!("1 1 {} true", sub.display()));
    assert_eq!(tree.run(&["dot/main.ts"]).good(), "up");
}

#[test]
fn modules_and_commonjs_mix() {
    let tree = Tree::of(&[
        ("c.cts", "const helper = require('./d'); module.exports = { c: 1 as number, helper }"),
        ("d.ts", "exports.d = 2 as number"),
        ("main.ts", "import c from './c.cts'; import { d } from './d'; console.log(c, d)"),
    ]);
    assert_eq!(tree.run(&["main.ts"]).good(), "{ c: 1, helper: { d: 2 } } 2");
}

#[test]
fn json_comes_by_import_and_by_require() {
    let files = [("data.json", r#"{"k": 5}"#)];
    let imports = [
        ("esm.ts", "import data from './data.json'; console.log(data.k)"),
        ("cjs.ts", "console.log(require('./data.json').k, require('./data').k)"),
    ];
    let tree = Tree::of(&[&files[..], &imports[..]].concat());
    assert_eq!(tree.run(&["esm.ts"]).good(), "5");
    assert_eq!(tree.run(&["cjs.ts"]).good(), "5 5");
}

#[test]
fn json_attributes_work_on_a_node_without_them() {
    let tree = Tree::of(&[
        ("data.json", r#"{"k": 5}"#),
        ("main.ts", "import d from './data.json' with { type: 'json' }; console.log(d.k)"),
    ]);
    assert_eq!(tree.run(&["main.ts"]).good(), "5");
}

#[test]
fn computed_specifiers_find_typescript() {
    let tree = Tree::of(&[
        ("lib.ts", LIB),
        ("c.cts", "exports.n = 1 as number"),
        (
            "main.ts",
            "import { createRequire } from 'node:module';
             const [name, own] = ['lib', createRequire(import.meta.url)];
             const all = [`./${name}`, `./${name}.ts`, new URL('./lib.ts', import.meta.url).href];
             const found = await Promise.all(all.map((specifier) => import(specifier)));
             console.log(new Set(found).size, own(['./c'][0]).n, own.resolve('./c') === own.resolve('./c.cts'));",
        ),
    ]);
    assert_eq!(tree.run(&["main.ts"]).good(), "1 1 true");
}

#[test]
fn javascript_finds_typescript() {
    let tree = Tree::of(&[
        ("lib.ts", "export const n: number = 1"),
        ("c.ts", "exports.c = 2 as number"),
        ("m.mjs", "export { n } from './lib'; export { n as again } from './lib.ts'"),
        ("c.cjs", "module.exports = require('./c').c"),
        (
            "main.ts",
            "import * as m from './m.mjs'; import c from './c.cjs'; console.log(m.n, m.again, c)",
        ),
    ]);
    assert_eq!(tree.run(&["main.ts"]).good(), "1 1 2");
}

/// `require` of a module is Node's from 20.19 and 22.12 on; then all that it imports is found, too.
#[test]
fn a_required_module_works_or_says_what_to_do() {
    let tree = Tree::of(&[
        ("node_modules/pkg/package.json", r#"{"exports": "./i.ts"}"#),
        ("node_modules/pkg/i.ts", "export const p: number = 2"),
        ("lib.ts", "import { n } from './n'; import { p } from 'pkg'; export const sum: number = n + p"),
        ("n.ts", "export const n: number = 1"),
        (
            "main.ts",
            "const able = (process.features as any).require_module;
             try { console.log(require('./lib').sum === 3 && able) }
             catch (e: any) { console.log(!able && e.code === 'ERR_REQUIRE_ESM' && /can only import it/.test(e)) }",
        ),
    ]);
    assert_eq!(tree.run(&["main.ts"]).good(), "true");
}

#[test]
fn package_json_may_name_typescript() {
    let tree = Tree::of(&[
        (
            "package.json",
            r##"{"name": "self", "imports": {"#lib": "./lib.ts"}, "exports": {"./lib": "./lib.ts"}}"##,
        ),
        ("lib.ts", LIB),
        (
            "main.ts",
            "import { Color } from '#lib'; import { Color as C2 } from 'self/lib'; console.log(Color === C2)",
        ),
    ]);
    assert_eq!(tree.run(&["main.ts"]).good(), "true");
}

#[test]
fn a_file_is_one_module_whatever_links_lead_to_it() {
    let tree = Tree::of(&[
        ("real/lib.ts", LIB),
        (
            "real/main.ts",
            "import { Color } from './lib'; import { Color as C2 } from './lib.ts';
             import { Color as C3 } from '../link/lib'; console.log(Color === C2, Color === C3)",
        ),
    ]);
    std::os::unix::fs::symlink("real", tree.path("link")).unwrap();
    assert_eq!(tree.run(&["link/main.ts"]).good(), "true true");
    let alias = tree.path("link/step-1.ts");
    assert_eq!(tree.run(&["--as", text(&alias), "real/main.ts"]).good(), "true true");
}

#[test]
fn packages_are_nodes_business() {
    let tree = Tree::of(&[
        (
            "node_modules/pkg/package.json",
            r#"{"exports": {"import": "./m.mjs", "require": "./c.cjs"}}"#,
        ),
        ("node_modules/pkg/m.mjs", "export const v = 'esm'"),
        ("node_modules/pkg/c.cjs", "exports.v = 'cjs'"),
        ("sub/esm.ts", "import { v } from 'pkg'; console.log(v)"),
        ("sub/cjs.ts", "console.log(require('pkg').v)"),
    ]);
    assert_eq!(tree.run(&["sub/esm.ts"]).good(), "esm");
    assert_eq!(tree.run(&["sub/cjs.ts"]).good(), "cjs");
}

#[test]
fn the_package_type_decides_what_syntax_leaves_open() {
    let open = "console.log(typeof this)";
    let tree = Tree::of(&[
        ("esm/package.json", r#"{"type": "module"}"#),
        ("esm/a.ts", open),
        ("esm/a.cts", open),
        ("cjs/package.json", r#"{"type": "commonjs"}"#),
        ("cjs/a.ts", open),
        ("cjs/a.mts", open),
        ("cjs/b.ts", "import 'node:fs'; console.log(typeof this)"),
    ]);
    let results = ["esm/a.ts", "esm/a.cts", "cjs/a.ts", "cjs/a.mts", "cjs/b.ts"]
        .map(|file| tree.run(&[file]).good());
    assert_eq!(results, ["undefined", "object", "object", "undefined", "undefined"]);
}

#[test]
fn what_is_not_there_is_reported_as_by_node() {
    let tree = Tree::of(&[
        ("esm.ts", "try { await import('./no') } catch (e: any) { console.log(e.code) }"),
        ("cjs.ts", "try { require('./no') } catch (e: any) { console.log(e.code) }"),
    ]);
    assert_eq!(tree.run(&["esm.ts"]).good(), "ERR_MODULE_NOT_FOUND");
    assert_eq!(tree.run(&["cjs.ts"]).good(), "MODULE_NOT_FOUND");
}

#[test]
fn a_script_believes_it_lies_where_as_says() {
    let code =
        "import { where } from './lib'; console.log(where, import.meta.url, process.argv[1])";
    let tree = Tree::of(&[("steps/1.ts", code), ("steps/1.js", code), ("work/lib.ts", LIB)]);
    for extension in ["ts", "js", "mjs"] {
        let as_path = tree.path("work/step 100%#1").with_extension(extension);
        let file = if extension == "ts" { "steps/1.ts" } else { "steps/1.js" };
        let printed = tree.run(&["--as", text(&as_path), file]).good();
        let dir = tree.path("work");
        let expected = format!(
            "file://{0}/lib.ts file://{0}/step%20100%25%231.{extension} {1}",
            dir.display(),
            as_path.display()
        );
        assert_eq!(printed, expected);
    }
}

#[test]
fn as_works_for_commonjs_too() {
    let code = "console.log(require('./lib').n, __filename, require.main === module)";
    let tree = Tree::of(&[("steps/1", code), ("work/lib.ts", "exports.n = 1 as number")]);
    for name in ["step-1.ts", "step-1.js", "step-1.cjs"] {
        let as_path = tree.path("work").join(name);
        let printed = tree.run(&["--as", text(&as_path), "steps/1"]).good();
        assert_eq!(printed, format!("1 {} true", as_path.display()));
    }
}
