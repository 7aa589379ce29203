//! The log, on standard error: for people, or a JSON object a line for programs.

use std::fmt::{self, Debug};
use std::io;

use anyhow::Context as _;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::{JsonFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// How lines of the log look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}

impl LogFormat {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
        }
    }
}

/// Writes it from now on.
///
/// # Errors
/// When the filter is none.
pub(crate) fn begin(filter: &str, format: LogFormat) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(filter).context("set up the log")?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    // A log that cannot be written (full disk, closed pipe) would otherwise be told on standard
    // error, which is the log, by a macro that panics.
    let log = log.log_internal_errors(false);
    match format {
        LogFormat::Text => {
            let colours = anstream::AutoStream::choice(&io::stderr());
            log.with_ansi(colours != anstream::ColorChoice::Never).init();
        }
        LogFormat::Json => {
            log.fmt_fields(JsonFields::new()).with_ansi(false).event_format(JsonLine).init();
        }
    }
    Ok(())
}

/// One flat object: what the event says, over what the spans say that it happened in. So a job's id
/// is always `job`, whoever wrote the line.
struct JsonLine;

impl<S, N> FormatEvent<S, N> for JsonLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = Map::new();
        let spans = context.event_scope().into_iter().flat_map(|spans| spans.from_root());
        for span in spans {
            let parts = span.extensions();
            let fields = parts.get::<FormattedFields<N>>().map(|fields| fields.as_str());
            if let Some(Ok(Value::Object(fields))) = fields.map(serde_json::from_str) {
                line.extend(fields);
            }
        }
        event.record(&mut Fields(&mut line));
        let what = event.metadata();
        line.insert("time".into(), format!("{:.6}", jiff::Timestamp::now()).into());
        line.insert("level".into(), what.level().as_str().into());
        line.insert("target".into(), what.target().into());
        writeln!(writer, "{}", Value::Object(line))
    }
}

/// What an event says, on its way into an object.
struct Fields<'a>(&'a mut Map<String, Value>);

impl Fields<'_> {
    fn add(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().into(), value.into());
    }
}

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.add(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, value);
    }
}
