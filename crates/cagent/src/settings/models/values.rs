//! Values of the providers' settings, as people write them.

use std::ffi::OsStr;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use models::{Kind, Price, Secret, ToolMode};

use crate::value;

/// Below this there is no room for the tools' descriptions and an answer.
const LEAST_WINDOW: u64 = 4096;

pub(super) fn order(text: &OsStr) -> Result<Vec<Kind>> {
    let names = value::text(text)?.split(',').map(str::trim).filter(|name| !name.is_empty());
    let kinds: Vec<Kind> = names.map(kind).collect::<Result<_>>()?;
    ensure!(!kinds.is_empty(), "expected providers, such as gemini,ollama");
    let twice = kinds.iter().enumerate().find(|(at, kind)| kinds[..*at].contains(kind));
    match twice {
        Some((_, kind)) => bail!("{} is named twice", kind.as_str()),
        None => Ok(kinds),
    }
}

fn kind(name: &str) -> Result<Kind> {
    let known = Kind::ALL.map(Kind::as_str).join(", ");
    let found = Kind::ALL.into_iter().find(|kind| kind.as_str() == name);
    found.with_context(|| format!("there is no provider {name:?}; there are {known}"))
}

pub(super) fn key(text: &OsStr) -> Result<Secret> {
    let key = value::text(text).context("a key is text")?.trim();
    let printable = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_graphic());
    ensure!(printable, "a key has printable characters and no spaces");
    Ok(Secret::new(key))
}

pub(super) fn silence(text: &OsStr) -> Result<u32> {
    let seconds = u32::try_from(value::time(text)?).ok().filter(|seconds| *seconds > 0);
    seconds.context("expected a time of at least a second, such as 90s")
}

pub(super) fn window(text: &OsStr) -> Result<u64> {
    let tokens = value::text(text)?.parse().ok().filter(|tokens| *tokens >= LEAST_WINDOW);
    tokens.with_context(|| format!("expected a number of tokens, {LEAST_WINDOW} or more"))
}

pub(super) fn yes_or_no(text: &OsStr) -> Result<bool> {
    value::text(text)?.parse().map_err(|_| anyhow!("expected true or false"))
}

pub(super) fn tools(text: &OsStr) -> Result<ToolMode> {
    match value::text(text)? {
        "native" => Ok(ToolMode::Native),
        "text" => Ok(ToolMode::Text),
        _ => bail!("expected native or text"),
    }
}

pub(super) fn shown_tools(tools: ToolMode) -> String {
    match tools {
        ToolMode::Native => "native".into(),
        ToolMode::Text => "text".into(),
    }
}

pub(super) fn price(text: &OsStr) -> Result<Price> {
    let parts: Option<Vec<f64>> = value::text(text)?.split('/').map(dollars).collect();
    match parts.as_deref() {
        Some([input, output]) => Ok(Price { input: *input, cached: *input, output: *output }),
        Some([input, cached, output]) => {
            Ok(Price { input: *input, cached: *cached, output: *output })
        }
        _ => bail!("expected dollars for a million tokens, read/written, such as 0.30/2.50"),
    }
}

fn dollars(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|dollars: &f64| dollars.is_finite() && *dollars >= 0.0)
}

pub(super) fn shown_price(Price { input, cached, output }: Price) -> String {
    format!("{input}/{cached}/{output}")
}
