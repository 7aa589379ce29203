//! Results, on standard output.

use std::io::{self, Write as _};

use anstream::adapter::strip_str;
use anyhow::Context as _;
use serde::Serialize;

/// Prints one JSON document.
pub(crate) fn json<T: Serialize>(value: &T) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(value).context("write JSON")?;
    line(&text)
}

/// Prints a line.
pub(crate) fn line(text: &str) -> anyhow::Result<()> {
    Ok(writeln!(anstream::stdout().lock(), "{text}")?)
}

/// Prints rows in columns that are as wide as they must be; the last one is not filled up.
pub(crate) fn table<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> anyhow::Result<()> {
    let mut out = io::BufWriter::new(anstream::stdout().lock());
    let head = head.map(str::to_owned);
    let all = || std::iter::once(&head).chain(rows);
    let widths: [usize; N] =
        std::array::from_fn(|i| all().map(|row| seen(&row[i])).max().unwrap_or(0));
    for row in all() {
        let fill = |(cell, width): (&String, usize)| cell.clone() + &" ".repeat(width - seen(cell));
        let cells = row.iter().zip(widths).map(fill);
        let text = cells.collect::<Vec<_>>().join("  ");
        writeln!(out, "{}", text.trim_end())?;
    }
    Ok(out.flush()?)
}

/// How many characters of a cell are to be seen: colours are not.
fn seen(cell: &str) -> usize {
    strip_str(cell).to_string().chars().count()
}
