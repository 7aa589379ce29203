//! `cagent config`.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::serve;
use crate::args::Format;
use crate::settings::{self, Setting, Settings, Sources};
use crate::{complaint, output, text};

pub(super) fn config(
    settings: &Settings,
    sources: &Sources,
    format: Format,
) -> anyhow::Result<ExitCode> {
    if let Err(refused) = serve::check(settings.listen) {
        complaint::say(&format!("`cagent serve` would stop: {refused}"));
    }
    let all = settings::all().map(|setting| (setting, (setting.show)(settings)));
    match format {
        Format::Json => {
            let list: Vec<_> =
                all.map(|(setting, value)| document(setting, value, sources)).collect();
            output::json(&json!({ "settings": list }))?;
        }
        Format::Text => {
            let rows: Vec<_> = all.map(|(setting, value)| row(setting, value, sources)).collect();
            output::table(["SETTING", "VARIABLE", "VALUE", "FROM"], &rows)?;
        }
    }
    Ok(ExitCode::SUCCESS)
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
