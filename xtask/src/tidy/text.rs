//! The rule about every text file: nothing depends on one person's machine.

use super::Finding;

/// The home inside every sandbox; the one that is the same everywhere.
const SANDBOX_USER: &str = "agent";

/// Absolute paths into somebody's home directory.
pub(super) fn home_paths(place: &str, content: &str) -> Vec<Finding> {
    let lines = (1..).zip(content.lines());
    let found = lines.filter_map(|(n, line)| Some((n, home_path(line)?)));
    found.map(|(n, path)| finding(place, n, &path)).collect()
}

fn finding(place: &str, line: usize, path: &str) -> Finding {
    Finding {
        place: format!("{place}:{line}"),
        what: format!("names {path}, which only some machine has"),
        cure: "use a relative path, a temporary directory, or $HOME",
    }
}

/// The first path on the line that leads into a home directory.
fn home_path(line: &str) -> Option<String> {
    if line.contains(concat!("/root", "/")) {
        return Some(concat!("/root", "/").into());
    }
    line.split("/home/").skip(1).find_map(|rest| {
        let (user, _) = rest.split_once('/')?;
        let is_name = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        // A single letter stands for anybody.
        (user.len() > 1 && user.chars().all(is_name) && user != SANDBOX_USER)
            .then(|| format!("/home/{user}/"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn somebodys_home_is_found() {
        for line in [concat!("cd /root", "/work"), concat!("a=/home", "/ann/x /home/agent/y")] {
            let found = home_paths("README.md", &format!("\n{line}\n"));
            assert_eq!(found.len(), 1, "{line}");
            assert_eq!(found[0].place, "README.md:2");
        }
    }

    #[test]
    fn what_is_the_same_everywhere_is_not() {
        for line in [
            "/home/agent/.cache",
            "mkdir /home",
            "/home/{user}/x",
            "/home/x/y",
            "user root",
            "/rootfs/a",
        ] {
            assert_eq!(home_paths("a", line), [], "{line}");
        }
    }
}
