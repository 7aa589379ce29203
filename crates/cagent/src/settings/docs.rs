//! What is told of settings elsewhere is what the code has: the table in docs/settings.md, and what the
//! compose file passes on.

use super::table::{self, Setting};

/// What stands before what is made, in each of the files.
const MADE: &str = "Made from crates/cagent/src/settings/table.rs; after a change of it: \
                    UPDATE=1 cargo test -p cagent settings::docs";

const HEAD: &str = "| variable | `cagent.toml` | option | default | |\n|---|---|---|---|---|\n";

/// What the compose file says itself: where the container listens, and who gets in.
const SAID: [&str; 4] =
    ["CAGENT_LISTEN", "CAGENT_DESKTOP_LISTEN", "CAGENT_JUPYTER_LISTEN", "CAGENT_ALLOW_NO_KEYS"];

/// What makes no sense there: paths, the image's own choice of engine and socket, what only the
/// embedded engine knows, what commands say to a server.
const OUT_OF_PLACE: [&str; 9] = [
    "CAGENT_CONFIG",
    "CAGENT_DATA_DIR",
    "AGENT_OUTPUT_DIR",
    "CAGENT_ENGINE",
    "DOCKER_HOST",
    "CAGENT_EXPOSE",
    "CAGENT_UIDS",
    "CAGENT_SERVER",
    "CAGENT_API_KEY",
];

#[test]
fn the_document_has_every_setting() {
    let rows: String = table::all().map(row).collect();
    same(
        "docs/settings.md",
        &format!("<!-- {MADE} -->\n"),
        "<!-- end -->\n",
        &(HEAD.to_owned() + &rows),
    );
}

#[test]
fn the_compose_file_passes_on_every_setting() {
    let elsewhere = |name: &&str| SAID.contains(name) || OUT_OF_PLACE.contains(name);
    assert_eq!(variables().filter(elsewhere).count(), SAID.len() + OUT_OF_PLACE.len());
    let passed = variables().filter(|name| !elsewhere(name));
    let lines: String = passed.map(|name| format!("      {name}:\n")).collect();
    same("deploy/docker-compose.yml", &format!("      # {MADE}\n"), "      # end\n", &lines);
}

/// Fails if a file has something else than this between two lines; with `UPDATE` it has it then.
fn same(path: &str, begin: &str, end: &str, made: &str) {
    let path = format!("{}/../../{path}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(begin).expect("the line before what is made");
    let (_, after) = rest.split_once(end).expect("the line after what is made");
    let wanted = format!("{before}{begin}{made}{end}{after}");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, &wanted).unwrap();
    } else {
        assert!(text == wanted, "{path} is old; UPDATE=1 cargo test -p cagent settings::docs");
    }
}

fn variables() -> impl Iterator<Item = &'static str> {
    table::all().flat_map(|setting| [setting.variable].into_iter().chain(setting.also))
}

fn row(setting: &Setting) -> String {
    let Setting { key, variable, flag, default, about, .. } = setting;
    let key = if setting.files == table::Files::None { String::new() } else { format!("`{key}`") };
    let flag = flag.map(|flag| format!("`{flag}`")).unwrap_or_default();
    format!("| `{variable}` | {key} | {flag} | {default} | {about} |\n")
}
