//! The results as they are kept and read: JSON, and the Markdown that is made from it.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::machine::Machine;
use crate::row::{Floor, Measured, Row};
use crate::stats::Summary;

/// Everything of one run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) machine: Machine,
    pub(crate) rows: Vec<Row>,
    /// What this machine lacks something for, and the cure.
    pub(crate) skipped: Vec<String>,
    /// What could not be measured, and why.
    pub(crate) failures: Vec<String>,
    /// How long it all took, in seconds.
    pub(crate) seconds: f64,
}

impl Row {
    /// As one line of a terminal.
    pub(crate) fn line(&self) -> String {
        let floors: Vec<String> = self.floors.iter().map(|floor| self.floor(floor)).collect();
        let against =
            if floors.is_empty() { String::new() } else { format!("; {}", floors.join(", ")) };
        format!(
            "{:>6}  {}: {} ({}, n={}){against}",
            self.verdict(),
            self.name,
            self.summary(&self.measured),
            self.target.text,
            self.measured.n
        )
    }

    fn verdict(&self) -> &'static str {
        match (self.is_promised(), self.is_met()) {
            (false, _) => "–",
            (true, true) => "met",
            (true, false) => "MISSED",
        }
    }

    fn summary(&self, measured: &Summary) -> String {
        let median = number(measured.median);
        match measured.n {
            1 => format!("{median} {}", self.unit),
            2..20 => format!(
                "{median} {} ({}–{})",
                self.unit,
                number(measured.min),
                number(measured.max)
            ),
            _ => format!("{median} {}, p99 {}", self.unit, number(measured.p99)),
        }
    }

    fn floor(&self, floor: &Floor) -> String {
        match &floor.measured {
            Measured::Measured(summary) => format!("{}: {}", floor.name, self.summary(summary)),
            Measured::Skipped(why) => format!("{}: skipped ({why})", floor.name),
        }
    }

    fn table_row(&self) -> String {
        let floors: Vec<String> = self.floors.iter().map(|floor| self.floor(floor)).collect();
        let ratio = self.ratio().map_or("–".into(), |(_, ratio)| format!("{ratio:.2}"));
        format!(
            "| {} | {} | **{}** | {} | {ratio} | {} | {} |",
            self.name,
            self.target.text,
            self.summary(&self.measured),
            if floors.is_empty() { "–".into() } else { floors.join("<br>") },
            self.verdict(),
            self.measured.n
        )
    }
}

impl Report {
    /// What `bench/RESULTS.md` says.
    pub(crate) fn markdown(&self) -> String {
        let promised = self.rows.iter().filter(|row| row.is_promised());
        let met = promised.clone().filter(|row| row.is_met()).count();
        let mut text = format!(
            "# Results\n\nMade by `make bench`, which writes this file; not edited by hand. \
             {met} of {} promises are kept in this run, which took {:.0} s.\n\n\
             ![What of each promise is used up](results.svg)\n\n\
             | | promised | measured: median | floor, measured in turns with it | ratio | | n |\n\
             |---|---|---|---|---|---|---|\n",
            promised.count(),
            self.seconds
        );
        for row in &self.rows {
            let _ = writeln!(text, "{}", row.table_row());
        }
        text.push_str("\nThe ratio is that of the promised number to the first floor's.\n\n");
        for row in self.rows.iter().filter(|row| !row.note.is_empty()) {
            let _ = writeln!(text, "- **{}**: {}", row.name, row.note);
        }
        for skipped in &self.skipped {
            let _ = writeln!(text, "- **Skipped**: {skipped}");
        }
        for failure in &self.failures {
            let _ = writeln!(text, "- **Not measured**: {failure}");
        }
        text.push_str(&self.machine.markdown());
        text
    }
}

impl Machine {
    fn markdown(&self) -> String {
        let fsync = format!("{} ms, p99 {}", number(self.fsync.median), number(self.fsync.p99));
        let facts = [
            ("date", self.date.strftime("%Y-%m-%d %H:%M UTC").to_string()),
            ("program", format!("{}, commit {}", self.version, self.commit)),
            ("processor", format!("{}, {} cores", self.cpu, self.cores)),
            ("memory", format!("{:.1} GiB", self.memory_mib / 1024.0)),
            ("kernel", format!("{}, cgroup {}", self.kernel, self.cgroup)),
            ("disk", format!("{}; 4 KiB are on it after {fsync}", self.file_system)),
            ("user", if self.as_root { "root".into() } else { "an ordinary one".into() }),
            ("load before", self.load_before.clone()),
        ];
        let lines = facts.map(|(name, value)| format!("| {name} | {value} |\n"));
        format!("\n## The machine\n\n| | |\n|---|---|\n{}", lines.concat())
    }
}

/// Three digits that matter.
pub(crate) fn number(value: f64) -> String {
    let digits = match value.abs() {
        0.0 => 0,
        small if small < 1.0 => 3,
        small if small < 10.0 => 2,
        small if small < 100.0 => 1,
        _ => 0,
    };
    let plain = format!("{value:.digits$}");
    if value.abs() < 10_000.0 { plain } else { thousands(&plain) }
}

fn thousands(digits: &str) -> String {
    let mut text = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::{Statistic, Target};

    #[test]
    fn numbers_are_short() {
        let texts = [0.0, 0.123_45, 1.234, 12.34, 123.4, 1234.5, 12345.6, 1_234_567.0].map(number);
        let wanted = ["0", "0.123", "1.23", "12.3", "123", "1234", "12,346", "1,234,567"];
        assert_eq!(texts, wanted);
    }

    #[test]
    fn a_row_says_all_that_matters() {
        let row = Row {
            name: "a → b".into(),
            unit: "ms".into(),
            target: Target::at_most(Statistic::Median, 2.0, "p50 ≤ 2 ms"),
            measured: Summary::of(vec![3.0; 30]).unwrap(),
            floors: vec![
                Floor::new("sh", Ok(vec![1.5])),
                Floor::new("bwrap", Err(anyhow::anyhow!("not installed"))),
            ],
            note: String::new(),
        };
        let wanted = "| a → b | p50 ≤ 2 ms | **3.00 ms, p99 3.00** | sh: 1.50 ms<br>bwrap: skipped \
                      (not installed) | 2.00 | MISSED | 30 |";
        assert_eq!(row.table_row(), wanted);
        assert!(row.line().starts_with("MISSED  a → b: 3.00 ms, p99 3.00 (p50 ≤ 2 ms, n=30)"));
    }
}
