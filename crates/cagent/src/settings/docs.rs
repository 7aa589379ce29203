//! The table in docs/settings.md is the one in the code.

use super::table::{self, Setting};

/// What stands around the table in the document.
const BEGIN: &str = "<!-- Made from crates/cagent/src/settings/table.rs; after a change of it: \
                     UPDATE=1 cargo test -p cagent settings::docs -->\n";
const END: &str = "<!-- end -->\n";

const HEAD: &str = "| variable | `cagent.toml` | option | default | |\n|---|---|---|---|---|\n";

#[test]
fn the_document_has_every_setting() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/settings.md");
    let document = std::fs::read_to_string(path).unwrap();
    let (before, rest) = document.split_once(BEGIN).expect("the line before the table");
    let (_, after) = rest.split_once(END).expect("the line after the table");
    let rows: String = table::all().map(row).collect();
    let made = format!("{before}{BEGIN}{HEAD}{rows}{END}{after}");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, &made).unwrap();
    } else {
        assert!(document == made, "{path} is old; UPDATE=1 cargo test -p cagent settings::docs");
    }
}

fn row(setting: &Setting) -> String {
    let Setting { key, variable, flag, default, about, .. } = setting;
    let key = if setting.files == table::Files::None { String::new() } else { format!("`{key}`") };
    let flag = flag.map(|flag| format!("`{flag}`")).unwrap_or_default();
    format!("| `{variable}` | {key} | {flag} | {default} | {about} |\n")
}
