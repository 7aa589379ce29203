//! Builds what goes into a sandbox as static programs, for `src/tools.rs` to embed.
//!
//! They are built by a Cargo of their own, into a target directory of their own: their flags differ
//! from those of `cagent`, the two Cargos do not wait for each other's locks, and a dev and a
//! release build of `cagent` share them.

use std::env;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest as _, Sha256};

/// Package, program, and the variable that tells `src/tools.rs` where it is.
const PROGRAMS: [(&str, &str, &str); 3] = [
    ("agent", "agentd", "CAGENT_AGENTD"),
    ("typescript", "ts", "CAGENT_TS"),
    ("engine-local", "sandbox-helper", "CAGENT_HELPER"),
];

/// In the root Cargo.toml.
const CARGO_PROFILE: &str = "inside";

/// What the outer Cargo and clippy say about this build script, and what would change the programs.
const NOT_FOR_THE_INNER: [&str; 7] = [
    "CARGO_CFG_",
    "CARGO_FEATURE_",
    "CARGO_MANIFEST_",
    "CARGO_PKG_",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTC_LINKER",
    "RUSTFLAGS",
];

fn main() {
    if let Err(problem) = build() {
        println!("cargo::error={problem}");
    }
}

fn build() -> Result<(), String> {
    let root = PathBuf::from(variable("CARGO_MANIFEST_DIR")?).join("../..");
    watch(&root)?;
    let target = variable("TARGET")?;
    let out = PathBuf::from(variable("OUT_DIR")?);
    let embedded = target_dir(&out, &target).join("embedded");
    run_cargo(&root, &target, &embedded)?;
    let built = embedded.join(target).join(CARGO_PROFILE);
    let mut hasher = Sha256::new();
    for (_, program, variable) in PROGRAMS {
        // A copy, since another build may be replacing the file while this one embeds it.
        let (from, to) = (built.join(program), out.join(program));
        fs::copy(&from, &to).map_err(|e| format!("copy {}: {e}", from.display()))?;
        hasher.update(fs::read(&to).map_err(|e| format!("read {}: {e}", to.display()))?);
        println!("cargo::rustc-env={variable}={}", to.display());
    }
    println!("cargo::rustc-env=CAGENT_TOOLS_HASH={}", hex(&hasher.finalize()[..8]));
    Ok(())
}

/// All sources of the workspace but tests: `cagent` depends on nearly all of them anyway.
fn watch(root: &Path) -> Result<(), String> {
    let crates = root.join("crates");
    let entries = fs::read_dir(&crates).map_err(|e| format!("list {}: {e}", crates.display()))?;
    let folders = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let own = folders.flat_map(|folder| [folder.join("src"), folder.join("Cargo.toml")]);
    for path in own.chain([root.join("Cargo.toml"), root.join("Cargo.lock")]) {
        println!("cargo::rerun-if-changed={}", path.display());
    }
    Ok(())
}

fn run_cargo(root: &Path, target: &str, target_dir: &Path) -> Result<(), String> {
    let mut cargo = Command::new(variable("CARGO")?);
    for (name, _) in env::vars_os().filter(|(name, _)| is_not_for_the_inner(name)) {
        cargo.env_remove(name);
    }
    // Statically linked: a sandbox need not have our C library. An explicit target keeps the flag
    // away from build scripts and macros, which cannot be linked so.
    cargo.env("CARGO_ENCODED_RUSTFLAGS", "-Ctarget-feature=+crt-static");
    cargo.args(["build", "--locked", "--profile", CARGO_PROFILE, "--target", target]);
    cargo.arg("--target-dir").arg(target_dir).current_dir(root);
    for (package, program, _) in PROGRAMS {
        cargo.args(["--package", package, "--bin", program]);
    }
    let status = cargo.status().map_err(|e| format!("start {cargo:?}: {e}"))?;
    let names = PROGRAMS.map(|(_, program, _)| program).join(", ");
    status.success().then_some(()).ok_or_else(|| {
        format!("the programs for the inside of sandboxes ({names}) could not be built: {status}")
    })
}

fn is_not_for_the_inner(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    NOT_FOR_THE_INNER.iter().any(|prefix| name.starts_with(prefix))
}

/// Cargo's target directory, or our own output where it cannot be told.
fn target_dir<'a>(out: &'a Path, target: &str) -> &'a Path {
    // With `--target` there is a tagged directory of that name within it.
    let tagged = |dir: &&Path| dir.join("CACHEDIR.TAG").exists() && !dir.ends_with(target);
    out.ancestors().find(tagged).unwrap_or(out)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing into a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn variable(name: &str) -> Result<String, String> {
    env::var(name).map_err(|e| format!("{name}: {e}"))
}
