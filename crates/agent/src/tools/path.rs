//! Where a path that a model names leads.

use std::path::{Component, Path, PathBuf};

/// The absolute path without `.` and `..`, from where the agent is.
pub(super) fn absolute(cwd: &str, path: &str) -> PathBuf {
    let mut absolute = PathBuf::from("/");
    for component in Path::new(cwd).join(path.trim()).components() {
        match component {
            Component::ParentDir => drop(absolute.pop()),
            Component::Normal(name) => absolute.push(name),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    absolute
}

/// The longest path, in bytes. A longer one would be cut in the step's title, by which it is written
/// again.
const MOST_BYTES: usize = 4095;

/// The path of what may be written, relative to the workspace.
///
/// # Errors
/// Why it may not, for the model.
pub(super) fn writable(workspace: &Path, path: &Path) -> Result<String, String> {
    let shown = path.display();
    let relative = path.strip_prefix(workspace).ok().and_then(Path::to_str);
    match relative.filter(|relative| !relative.is_empty()) {
        None => Err(format!("{shown} is not beneath {}: write there only", workspace.display())),
        Some(relative) if relative.contains(char::is_control) => {
            Err(format!("{shown:?} has control characters"))
        }
        Some(relative) if relative.len() > MOST_BYTES => {
            Err(format!("the path has {} bytes, and {MOST_BYTES} is the most", relative.len()))
        }
        Some(relative) if Path::new(relative).starts_with(".cagent") => {
            Err(format!("{shown} is in .cagent, which is reserved"))
        }
        Some(relative) => Ok(relative.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn to(cwd: &str, path: &str) -> Result<String, String> {
        writable(Path::new("/workspace"), &absolute(cwd, path))
    }

    #[test]
    fn relative_paths_begin_where_the_agent_is() {
        for (cwd, path, relative) in [
            ("/workspace", "a", "a"),
            ("/workspace", "./a//b/", "a/b"),
            ("/workspace/x", "a", "x/a"),
            ("/workspace/x", "../a", "a"),
            ("/tmp", "/workspace/a", "a"),
            ("/workspace", " a b ", "a b"),
            ("/workspace", ".cagentx", ".cagentx"),
        ] {
            assert_eq!(to(cwd, path).as_deref(), Ok(relative), "{cwd} {path}");
        }
    }

    #[test]
    fn nothing_else_is_written() {
        for (cwd, path) in [
            ("/workspace", "/etc/passwd"),
            ("/workspace", "../etc/passwd"),
            ("/tmp", "a"),
            ("/workspace", "/workspacex/a"),
            ("/workspace", "."),
            ("/workspace/x", "../.cagent/log.ndjson"),
            ("/workspace", "a\nb"),
        ] {
            assert!(to(cwd, path).is_err(), "{cwd} {path}");
        }
        assert!(to("/workspace", &"a/".repeat(2048)).is_ok());
        assert!(to("/workspace", &"a/".repeat(2049)).unwrap_err().starts_with("the path has 40"));
    }

    proptest! {
        #[test]
        fn what_is_writable_is_a_plain_path(cwd in "/[a-z./]{0,12}", path in "[a-z./ ]{0,16}") {
            if let Ok(relative) = to(&cwd, &path) {
                let normal = |part: Component<'_>| matches!(part, Component::Normal(_));
                prop_assert!(Path::new(&relative).components().all(normal));
            }
        }
    }
}
