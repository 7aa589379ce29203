//! What a client that has some of it already wants of something: `If-None-Match`, `If-Range` and
//! `Range` (RFC 9110, 13 and 14), as a plain function. Several ranges at once are not served: the
//! whole is sent then, as the RFC allows.

use std::ops::Range;

use axum::http::header::{IF_NONE_MATCH, IF_RANGE, RANGE};
use axum::http::{HeaderMap, Method};

/// What is to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// All of it.
    Whole,
    /// Some of its bytes; at least one.
    Part(Range<u64>),
    /// Nothing: the client has it.
    NotModified,
    /// Bytes beyond its end.
    Beyond,
}

/// Decides about something of `bytes` bytes. `etag` is its entity tag, quotes included, if it has
/// one; a weak one begins with `W/`.
pub(crate) fn wanted(
    method: &Method,
    headers: &HeaderMap,
    etag: Option<&str>,
    bytes: u64,
) -> Wanted {
    if has_it(headers, etag) {
        return Wanted::NotModified;
    }
    if method != Method::GET || !is_same(headers, etag) {
        return Wanted::Whole;
    }
    headers.get(RANGE).and_then(|value| part(value.to_str().ok()?, bytes)).unwrap_or(Wanted::Whole)
}

fn has_it(headers: &HeaderMap, etag: Option<&str>) -> bool {
    let opaque = |tag: &str| tag.strip_prefix("W/").unwrap_or(tag).to_owned();
    let ours = etag.map(opaque);
    let given = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut tags = given.flat_map(|value| value.split(',')).map(str::trim);
    tags.any(|tag| tag == "*" || Some(opaque(tag)) == ours)
}

/// Whether the part would fit to what the client has. We send no dates, so none is right.
fn is_same(headers: &HeaderMap, etag: Option<&str>) -> bool {
    let strong = etag.filter(|tag| !tag.starts_with("W/"));
    headers.get(IF_RANGE).is_none_or(|given| strong.is_some_and(|tag| given == tag))
}

/// `None` for what is to be ignored: nonsense, another unit, several ranges.
fn part(range: &str, bytes: u64) -> Option<Wanted> {
    let (unit, range) = range.split_once('=')?;
    let (first, last) = range.trim().split_once('-')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") || range.contains(',') {
        return None;
    }
    let range = match (number(first)?, number(last)?) {
        (Some(first), Some(last)) if first > last => return None,
        (Some(first), last) => first..last.map_or(bytes, |last| last.saturating_add(1)).min(bytes),
        (None, Some(most)) => bytes.saturating_sub(most)..bytes,
        (None, None) => return None,
    };
    Some(if range.is_empty() { Wanted::Beyond } else { Wanted::Part(range) })
}

/// `None` if it is no number, `Some(None)` if it was left out. One too large for us is the largest.
fn number(text: &str) -> Option<Option<u64>> {
    let text = text.trim();
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| (!text.is_empty()).then(|| text.parse().unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderName;

    use super::*;

    const TAG: &str = "\"a-1\"";

    fn asked(headers: &[(HeaderName, &str)], etag: Option<&str>, bytes: u64) -> Wanted {
        let headers = headers.iter().map(|(name, value)| (name.clone(), value.parse().unwrap()));
        wanted(&Method::GET, &headers.collect(), etag, bytes)
    }

    fn ranged(range: &str, bytes: u64) -> Wanted {
        asked(&[(RANGE, range)], Some(TAG), bytes)
    }

    #[test]
    fn a_part_is_cut_to_what_there_is() {
        for (range, part) in [
            ("bytes=0-0", 0..1),
            ("bytes=2-4", 2..5),
            ("Bytes = 2-4", 2..5),
            ("bytes=5-", 5..10),
            ("bytes=-3", 7..10),
            ("bytes=-99", 0..10),
            ("bytes=9-99999999999999999999999", 9..10),
            ("bytes=-99999999999999999999999", 0..10),
        ] {
            assert_eq!(ranged(range, 10), Wanted::Part(part), "{range}");
        }
    }

    #[test]
    fn beyond_the_end_there_is_nothing() {
        for (range, bytes) in [
            ("bytes=10-", 10),
            ("bytes=10-12", 10),
            ("bytes=-0", 10),
            ("bytes=0-", 0),
            ("bytes=-5", 0),
            ("bytes=18446744073709551615-18446744073709551615", 10),
        ] {
            assert_eq!(ranged(range, bytes), Wanted::Beyond, "{range}");
        }
    }

    #[test]
    fn nonsense_and_several_ranges_are_ignored() {
        for range in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=a-b",
            "bytes=+1-2",
            "bytes=4-2",
            "lines=1-2",
            "bytes=0-1,3-4",
            "bytes=1",
            "bytes=--1",
            "bytes=0x1-2",
        ] {
            assert_eq!(ranged(range, 10), Wanted::Whole, "{range}");
        }
        let head = HeaderMap::from_iter([(RANGE, "bytes=0-0".parse().unwrap())]);
        assert_eq!(wanted(&Method::HEAD, &head, Some(TAG), 10), Wanted::Whole);
    }

    #[test]
    fn a_client_that_has_it_gets_nothing() {
        for tags in [TAG, "*", "\"x\", \"a-1\"", "W/\"a-1\""] {
            let ask = [(IF_NONE_MATCH, tags), (RANGE, "bytes=0-0")];
            assert_eq!(asked(&ask, Some(TAG), 10), Wanted::NotModified, "{tags}");
        }
        for tags in ["\"x\"", "", "a-1"] {
            assert_eq!(asked(&[(IF_NONE_MATCH, tags)], Some(TAG), 10), Wanted::Whole, "{tags}");
            assert_eq!(asked(&[(IF_NONE_MATCH, tags)], None, 10), Wanted::Whole, "{tags}");
        }
    }

    #[test]
    fn a_part_of_something_else_is_not_sent() {
        let ask = |given, etag| asked(&[(RANGE, "bytes=1-1"), (IF_RANGE, given)], etag, 10);
        assert_eq!(ask(TAG, Some(TAG)), Wanted::Part(1..2));
        for (given, etag) in [
            ("\"x\"", Some(TAG)),
            (TAG, None),
            ("W/\"a-1\"", Some("W/\"a-1\"")),
            ("Wed, 21 Oct 2015 07:28:00 GMT", Some(TAG)),
        ] {
            assert_eq!(ask(given, etag), Wanted::Whole, "{given}");
        }
    }
}
