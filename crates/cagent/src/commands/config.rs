//! `cagent config`.

use std::process::ExitCode;

use models::Provider;
use serde::Serialize;
use serde_json::{Value, json};

use crate::args::Format;
use crate::settings::{self, Setting, Settings, Sources};
use crate::{complaint, output, text};

pub(super) fn config(
    settings: &Settings,
    sources: &Sources,
    format: Format,
) -> anyhow::Result<ExitCode> {
    let all = settings::all().map(|setting| (setting, (setting.show)(settings)));
    match format {
        Format::Json => {
            let list: Vec<_> =
                all.map(|(setting, value)| document(setting, value, sources)).collect();
            output::json(&json!({ "models": Models::of(settings), "settings": list }))?;
        }
        Format::Text => {
            let rows: Vec<_> = all.map(|(setting, value)| row(setting, value, sources)).collect();
            Models::of(settings).lines().iter().try_for_each(|line| output::line(line))?;
            output::line("")?;
            output::table(["SETTING", "VARIABLE", "VALUE", "FROM"], &rows)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Whom a server with these settings would ask.
#[derive(Debug, Serialize)]
struct Models {
    /// `provider/model`, in order.
    asked: Vec<String>,
    /// Who seems to be meant and is not asked, with why; who is asked in the clear.
    warnings: Vec<String>,
    /// Why no server would start.
    refused: Option<String>,
}

impl Models {
    fn of(settings: &Settings) -> Self {
        let (asked, refused) = match settings.models.providers() {
            Ok(providers) => (providers.iter().map(Provider::name).collect(), None),
            Err(error) => (vec![], Some(complaint::of(&error))),
        };
        Self { asked, warnings: settings.models.warnings(), refused }
    }

    fn lines(&self) -> Vec<String> {
        let first = match (&self.refused, &*self.asked) {
            (Some(why), _) => format!("`cagent serve` and `cagent run` would stop: {why}"),
            (None, []) => "no model is set up: tasks are runbooks (docs/models.md)".into(),
            (None, asked) => format!("models, in the order they are asked: {}", asked.join(", ")),
        };
        let all = [&first].into_iter().chain(&self.warnings);
        all.map(|line| text::one_line(line)).collect()
    }
}

fn document(setting: &Setting, value: Option<String>, sources: &Sources) -> Value {
    json!({
        "key": setting.key,
        "variable": setting.variable,
        "flag": setting.flag,
        "value": value,
        "origin": sources.origin(setting).to_string(),
        "default": setting.default,
        "about": setting.about,
    })
}

fn row(setting: &Setting, value: Option<String>, sources: &Sources) -> [String; 4] {
    let value = value.map_or_else(|| "-".into(), |value| text::one_line(&value));
    let origin = sources.origin(setting).to_string();
    [setting.key.into(), setting.variable.into(), value, origin]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn models(given: &[(&str, &str)]) -> Vec<String> {
        let own = given.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        let own = own.chain([("HOME".into(), "/nowhere".into())]);
        let sources = Sources::read([].into(), own, "/nowhere/.env".as_ref()).unwrap();
        Models::of(&Settings::new(&sources).unwrap()).lines()
    }

    #[test]
    fn whom_a_server_would_ask_is_said_first() {
        assert!(models(&[])[0].starts_with("no model is set up"));
        let one = models(&[("GEMINI_API_KEY", "k"), ("OPENAI_API_KEY", "k")]);
        assert_eq!(one[0], "models, in the order they are asked: gemini/gemini-2.5-flash");
        assert!(one[1].starts_with("openai is not asked: ") && one.len() == 2, "{one:?}");
        let stop = models(&[("CAGENT_MODELS", "gemini")]);
        assert!(stop[0].contains("would stop: gemini is not asked"), "{stop:?}");
    }
}
