//! When to try again, as providers say it: in headers, in the error's details, in its text.
//!
//! Not here: whether to try again, and how long to wait at most ([`crate::chain`]).

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use serde_json::Value;

/// The provider's own hint, in the first of these forms that is there: `retry-after-ms`,
/// `retry-after` (seconds or a date), `google.rpc.RetryInfo`, "try again in 6m0s" in the text, and
/// the reset times of those limits that are used up.
pub(crate) fn retry_after(headers: &HeaderMap, body: &str) -> Option<Duration> {
    let now = text(headers, DATE.as_str()).and_then(date).unwrap_or_else(Timestamp::now);
    milliseconds(headers)
        .or_else(|| seconds_or_date(text(headers, RETRY_AFTER.as_str())?, now))
        .or_else(|| retry_info(body))
        .or_else(|| in_words(body))
        .or_else(|| reset(headers, now))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

/// Azure and `OpenAI`.
fn milliseconds(headers: &HeaderMap) -> Option<Duration> {
    let millis: f64 = text(headers, "retry-after-ms")?.parse().ok()?;
    seconds(millis / 1000.0)
}

fn seconds_or_date(value: &str, now: Timestamp) -> Option<Duration> {
    match value.parse() {
        Ok(number) => seconds(number),
        Err(_) => Some(until(date(value)?, now)),
    }
}

/// HTTP's dates are those of mail.
fn date(value: &str) -> Option<Timestamp> {
    rfc2822::DateTimeParser::new().parse_timestamp(value).ok()
}

fn until(then: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(then.duration_since(now)).unwrap_or_default()
}

fn seconds(number: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(number).ok()
}

/// `{"error": {"details": [{"@type": "…RetryInfo", "retryDelay": "37s"}]}}`, at any depth.
fn retry_info(body: &str) -> Option<Duration> {
    let body: Value = serde_json::from_str(body).ok()?;
    span(find(&body, "retryDelay")?.as_str()?)
}

fn find<'a>(value: &'a Value, key: &str) -> Option<&'a Value> {
    match value {
        Value::Object(map) => map.get(key).or_else(|| map.values().find_map(|v| find(v, key))),
        Value::Array(items) => items.iter().find_map(|item| find(item, key)),
        _ => None,
    }
}

/// "Please try again in 11.054s", "Please retry in 26.38s", "retry after 30 seconds".
fn in_words(body: &str) -> Option<Duration> {
    const LEADS: [&str; 4] = ["try again in ", "retry in ", "retry after ", "try again after "];
    let body = body.to_ascii_lowercase();
    LEADS.iter().find_map(|lead| span(body.split_once(lead)?.1))
}

/// The reset times of limits of which nothing remains: `x-ratelimit-reset-tokens: 6m0s` beside
/// `x-ratelimit-remaining-tokens: 0`, and Anthropic's, which are dates.
fn reset(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let limits = headers.keys().map(|name| name.as_str());
    limits.filter_map(|name| reset_of(headers, name, now)).max()
}

fn reset_of(headers: &HeaderMap, name: &str, now: Timestamp) -> Option<Duration> {
    if !name.contains("ratelimit") || !name.contains("-reset") {
        return None;
    }
    let remaining = text(headers, &name.replacen("-reset", "-remaining", 1));
    if remaining.is_some_and(|left| left.parse() != Ok(0.0)) {
        return None;
    }
    moment_or_span(text(headers, name)?, now)
}

fn moment_or_span(value: &str, now: Timestamp) -> Option<Duration> {
    match value.parse::<f64>() {
        // `OpenRouter` names the moment in milliseconds since 1970, others in seconds.
        Ok(millis) if millis > 1e11 => since_epoch(millis / 1000.0, now),
        Ok(moment) if moment > 1e9 => since_epoch(moment, now),
        Ok(number) => seconds(number),
        Err(_) => match value.parse::<Timestamp>() {
            Ok(then) => Some(until(then, now)),
            Err(_) => span(value),
        },
    }
}

fn since_epoch(moment: f64, now: Timestamp) -> Option<Duration> {
    let now = Duration::try_from(now.as_duration()).ok()?;
    Some(seconds(moment)?.saturating_sub(now))
}

/// What a text begins with: `20ms`, `11.054s`, `6m0s`, `1h2m3s`, `30 seconds`.
fn span(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut sum = None;
    while let Some((part, after)) = piece(rest) {
        sum = Some(sum.unwrap_or(Duration::ZERO).saturating_add(part));
        rest = after;
    }
    sum
}

fn piece(text: &str) -> Option<(Duration, &str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number: f64 = text[..digits].trim_end_matches('.').parse().ok()?;
    let rest = text[digits..].trim_start_matches(' ');
    let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
    let unit = match &rest[..letters] {
        "ms" | "millisecond" | "milliseconds" => 0.001,
        "s" | "sec" | "secs" | "second" | "seconds" => 1.0,
        "m" | "min" | "minute" | "minutes" => 60.0,
        "h" | "hour" | "hours" => 3600.0,
        "d" | "day" | "days" => 86400.0,
        _ => return None,
    };
    Some((seconds(number * unit)?, &rest[letters..]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use reqwest::header::HeaderName;

    use super::*;

    fn hint(headers: &[(&str, &str)], body: &str) -> Option<u64> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
        }
        retry_after(&map, body).map(|d| u64::try_from(d.as_millis()).unwrap())
    }

    #[test]
    fn headers() {
        assert_eq!(hint(&[("retry-after-ms", "1500"), ("retry-after", "9")], ""), Some(1500));
        assert_eq!(hint(&[("retry-after", "20")], ""), Some(20_000));
        assert_eq!(hint(&[("retry-after", "0.5")], ""), Some(500));
        let now = ("date", "Wed, 21 Oct 2026 07:28:00 GMT");
        let then = ("retry-after", "Wed, 21 Oct 2026 07:29:30 GMT");
        assert_eq!(hint(&[now, then], ""), Some(90_000));
        let past = ("retry-after", "Wed, 21 Oct 2026 07:00:00 GMT");
        assert_eq!(hint(&[now, past], ""), Some(0));
        assert_eq!(hint(&[("retry-after", "soon")], ""), None);
        assert_eq!(hint(&[("retry-after", "-1")], ""), None);
        assert_eq!(hint(&[("retry-after", "1e300")], ""), None);
    }

    #[test]
    fn reset_times_of_what_is_used_up() {
        let requests = ("x-ratelimit-reset-requests", "12ms");
        let tokens = ("x-ratelimit-reset-tokens", "6m0s");
        let left = ("x-ratelimit-remaining-requests", "41");
        let none = ("x-ratelimit-remaining-tokens", "0");
        assert_eq!(hint(&[requests, left, tokens, none], ""), Some(360_000));
        assert_eq!(hint(&[requests, left], ""), None);
        assert_eq!(hint(&[requests], ""), Some(12));
        let now = ("date", "Sat, 21 Nov 2026 15:00:00 GMT");
        let anthropic = ("anthropic-ratelimit-input-tokens-reset", "2026-11-21T15:00:42Z");
        let none = ("anthropic-ratelimit-input-tokens-remaining", "0");
        assert_eq!(hint(&[now, anthropic, none], ""), Some(42_000));
        assert_eq!(hint(&[now, ("x-ratelimit-reset", "1795273205000")], ""), Some(5000));
        assert_eq!(hint(&[now, ("x-ratelimit-reset", "1795273205")], ""), Some(5000));
    }

    #[test]
    fn bodies() {
        let gemini = r#"[{"error":{"code":429,"message":"…","status":"RESOURCE_EXHAUSTED","details":[
            {"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"37.5s"}]}}]"#;
        assert_eq!(hint(&[], gemini), Some(37_500));
        let openai = "Rate limit reached for gpt-5. Please try again in 11.054s. Visit …";
        assert_eq!(hint(&[], openai), Some(11_054));
        assert_eq!(hint(&[], "Please try again in 20ms."), Some(20));
        assert_eq!(hint(&[], "Please try again in 6m0s."), Some(360_000));
        assert_eq!(hint(&[], "Please Try again in 1h2m3s"), Some(3_723_000));
        assert_eq!(hint(&[], "please retry in 26.387s."), Some(26_387));
        assert_eq!(hint(&[], "retry after 30 seconds, please"), Some(30_000));
        assert_eq!(hint(&[], "try again in a moment"), None);
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_harm(header in "[ -~]{0,40}", body in ".{0,200}") {
            hint(&[("retry-after", &header), ("x-ratelimit-reset-x", &header)], &body);
            hint(&[], &format!("try again in {body}"));
        }
    }
}
