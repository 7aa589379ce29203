/// The longest name before the tag, and the longest tag, as registries have it.
const MAX_PATH: usize = 255;
const MAX_TAG: usize = 128;

/// Whether an image can have this name: `[HOST[:PORT]/]NAME[:TAG][@DIGEST]`, the name in lower case,
/// as `containerized-agent:latest`. Every engine's images are named so.
#[must_use]
pub fn is_image_name(text: &str) -> bool {
    let (named, digest) = match text.split_once('@') {
        Some((named, digest)) => (named, Some(digest)),
        None => (text, None),
    };
    let (path, tag) = match named.rsplit_once(':') {
        // What has a slash behind its colon is a host with its port.
        Some((path, tag)) if !tag.contains('/') => (path, Some(tag)),
        _ => (named, None),
    };
    is_path(path) && tag.is_none_or(is_tag) && digest.is_none_or(is_digest)
}

fn is_path(path: &str) -> bool {
    let names = match path.split_once('/') {
        Some((host, names)) if is_host(host) => names,
        _ => path,
    };
    path.len() <= MAX_PATH && names.split('/').all(is_name)
}

/// What tells a host from the first part of a name.
fn is_host(text: &str) -> bool {
    let (host, port) = text.split_once(':').unwrap_or((text, "0"));
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b".-".contains(&byte);
    let is_plain = !host.starts_with(['.', '-']) && !host.ends_with(['.', '-']);
    is_plain && !host.is_empty() && host.bytes().all(known) && port.parse::<u16>().is_ok()
}

/// Lower case and digits, with one separator between two of them: `.`, `_`, `__` or any number of `-`.
fn is_name(name: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_separator =
        |text: &str| matches!(text, "" | "." | "_" | "__") || text.bytes().all(|byte| byte == b'-');
    name.starts_with(is_letter)
        && name.ends_with(is_letter)
        && name.split(is_letter).all(is_separator)
}

fn is_tag(tag: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let known = |c: char| is_word(c) || ".-".contains(c);
    tag.starts_with(is_word) && tag.chars().all(known) && tag.len() <= MAX_TAG
}

fn is_digest(digest: &str) -> bool {
    let hex = digest.strip_prefix("sha256:").unwrap_or_default();
    hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_told_from_what_no_image_can_be_called() {
        let digest = format!("a@sha256:{}", "0f".repeat(32));
        let id = format!("sha256:{}", "0f".repeat(32));
        let good = ["a", "containerized-agent:latest", "a.b/c_d/e__f/g--h:V1.0-rc_2", &digest, &id];
        let hosts = ["localhost:5000/a", "registry.example.org/team/agent:2", "Host.example.org/a"];
        for name in good.into_iter().chain(hosts) {
            assert!(is_image_name(name), "{name}");
        }
        let bad = ["", " ", "UPPER CASE!!", "Upper", "--privileged", "a b", "a:", ":a", "a/", "/a"];
        let worse =
            ["a//b", "a..b", "a:b:c", "a/../b", ".a", "a-", "ä", "a\n", "a@sha256:0", "h:x/a"];
        for name in bad.into_iter().chain(worse) {
            assert!(!is_image_name(name), "{name:?}");
        }
        let most = "a".repeat(MAX_PATH);
        assert!(is_image_name(&most) && !is_image_name(&format!("{most}a")));
        assert!(!is_image_name(&format!("a:{}", "b".repeat(MAX_TAG + 1))));
    }
}
