//! The rule about Markdown files: what they link to in this repository exists. Anchors and the web
//! are not looked at.

use std::path::Path;

use pulldown_cmark::{Event, Parser, Tag};

use super::Finding;

/// Links to files that are not there. `place` is the file's path from the root.
pub(super) fn dead(place: &str, content: &str, exists: impl Fn(&Path) -> bool) -> Vec<Finding> {
    let folder = Path::new(place).parent().unwrap_or(Path::new(""));
    let links = Parser::new(content).into_offset_iter().filter_map(|(event, range)| match event {
        Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
            Some((dest_url, range.start))
        }
        _ => None,
    });
    let dead = links.filter(|(url, _)| file(url).is_some_and(|f| !exists(&folder.join(f))));
    let line = |offset| 1 + content[..offset].matches('\n').count();
    dead.map(|(url, offset)| finding(place, line(offset), &url)).collect()
}

fn finding(place: &str, line: usize, url: &str) -> Finding {
    Finding {
        place: format!("{place}:{line}"),
        what: format!("links to {url}, which does not exist"),
        cure: "correct the link, or write what it promises",
    }
}

/// The file a link means, if it means one of ours.
fn file(url: &str) -> Option<&str> {
    let (file, _) = url.split_once('#').unwrap_or((url, ""));
    (!file.is_empty() && !file.contains(':')).then_some(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_link_is_found_with_its_line() {
        let content = "# Title\n\nSee [this](there.md#part) and\n![that](../gone.svg).\n";
        let found = dead("docs/a.md", content, |path| path == Path::new("docs/there.md"));
        let found: Vec<_> = found.iter().map(|f| (f.place.as_str(), f.what.as_str())).collect();
        assert_eq!(found, [("docs/a.md:4", "links to ../gone.svg, which does not exist")]);
    }

    #[test]
    fn anchors_addresses_and_code_are_no_files() {
        let content = "[a](#part) [b](https://example.org/x) [c](mailto:a@b.c) `[d](e)`";
        assert_eq!(dead("a.md", content, |_| false), []);
    }
}
