//! Paths in attributes.

/// What a path beneath the workspace must look like, for people.
pub(crate) const EXPECTED: &str = "a path beneath the workspace must be relative, without `..`, \
                                   and not in .cagent, which is reserved";

/// The path in its shortest form, or `None` if it is not clearly beneath the workspace.
pub(crate) fn beneath_workspace(path: &str) -> Option<String> {
    if path.starts_with('/') || path.contains(char::is_control) {
        return None;
    }
    let names: Vec<_> = path.split('/').filter(|name| !matches!(*name, "" | ".")).collect();
    let reserved = names.first().is_none_or(|first| *first == ".cagent");
    if reserved || names.contains(&"..") { None } else { Some(names.join("/")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_the_shortest_form() {
        for (path, short) in [
            ("a", "a"),
            ("./a//b/./c", "a/b/c"),
            (".cagentx/a", ".cagentx/a"),
            ("a/.cagent", "a/.cagent"),
            ("a b\\c", "a b\\c"),
            ("...", "..."),
        ] {
            assert_eq!(beneath_workspace(path).as_deref(), Some(short));
        }
    }

    #[test]
    fn refuses_what_is_not_beneath_the_workspace() {
        for path in [
            "",
            ".",
            "./",
            "/",
            "/a",
            "//a",
            "..",
            "a/../b",
            "../a",
            ".cagent",
            "./.cagent/x",
            ".//.cagent",
            "a\0b",
            "a\nb",
        ] {
            assert_eq!(beneath_workspace(path), None, "{path:?}");
        }
    }
}
