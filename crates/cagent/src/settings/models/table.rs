//! The rows of every provider in the table of settings.

use super::address::Address;
use super::values;
use crate::settings::table::{Files, PLAIN, Setting};
use crate::value;

/// Declares the settings of every provider.
macro_rules! providers {
    ($($name:ident $upper:literal $url:literal $also:expr, $model:literal, $window:literal, $images:literal, $tools:literal;)*) => {
        /// In the order of the docs.
        pub(in crate::settings) const SETTINGS: &[Setting] = &[
            Setting {
                key: "models.order",
                variable: "CAGENT_MODELS",
                default: "every one that has a key, in the order below",
                about: "Which providers are asked, and in which order, such as `gemini,ollama`.",
                separator: Some(','),
                set: |settings, text| values::order(text).map(|order| settings.models.order = Some(order)),
                show: |settings| {
                    let order = settings.models.order.iter().flatten();
                    value::shown_list(order.map(|kind| kind.as_str()), ",")
                },
                ..PLAIN
            },
            Setting {
                key: "models.silence_seconds",
                variable: "CAGENT_MODEL_SILENCE",
                default: "`3m`",
                about: "How long a provider may say nothing before it counts as broken off.",
                set: |settings, text| values::silence(text).map(|time| settings.models.silence = Some(time)),
                show: |settings| settings.models.silence.map(|time| value::shown_time(time.into())),
                ..PLAIN
            },
            $(Setting {
                key: concat!("models.", stringify!($name), ".api_key"),
                variable: concat!($upper, "_API_KEY"),
                also: $also,
                default: "none",
                about: "Its key. Stays in the server: no sandbox, log, event or error has it.",
                secret: true,
                set: |settings, text| {
                    let key = values::key(text)?;
                    settings.models.$name.key = Some(key);
                    Ok(())
                },
                show: |settings| settings.models.$name.key.as_ref().map(|_| "(set)".into()),
                ..PLAIN
            },
            Setting {
                key: concat!("models.", stringify!($name), ".base_url"),
                variable: $url,
                default: "the provider's own",
                about: "Where its API begins. Without `https://` it is `http://`, and must be on this \
                        machine or a private network.",
                files: Files::NotEnv,
                // It may hold one by mistake, which is then refused.
                secret: true,
                set: |settings, text| {
                    settings.models.$name.base_url = Some(Address::read(text)?);
                    Ok(())
                },
                show: |settings| settings.models.$name.base_url.as_ref().map(ToString::to_string),
                ..PLAIN
            },
            Setting {
                key: concat!("models.", stringify!($name), ".model"),
                variable: concat!($upper, "_MODEL"),
                default: $model,
                about: "Its model.",
                set: |settings, text| {
                    settings.models.$name.model = Some(value::text(text)?.trim().into());
                    Ok(())
                },
                show: |settings| settings.models.$name.model.clone(),
                ..PLAIN
            },
            Setting {
                key: concat!("models.", stringify!($name), ".window"),
                variable: concat!($upper, "_WINDOW"),
                default: $window,
                about: "The model's window in tokens; a smaller one is learned from its errors.",
                set: |settings, text| {
                    settings.models.$name.window = Some(values::window(text)?);
                    Ok(())
                },
                show: |settings| settings.models.$name.window.map(|tokens| tokens.to_string()),
                ..PLAIN
            },
            Setting {
                key: concat!("models.", stringify!($name), ".images"),
                variable: concat!($upper, "_IMAGES"),
                default: $images,
                about: "Whether the model takes pictures: `true` or `false`.",
                set: |settings, text| {
                    settings.models.$name.images = Some(values::yes_or_no(text)?);
                    Ok(())
                },
                show: |settings| settings.models.$name.images.map(|images| images.to_string()),
                ..PLAIN
            },
            Setting {
                key: concat!("models.", stringify!($name), ".tools"),
                variable: concat!($upper, "_TOOLS"),
                default: $tools,
                about: "How the model is told of tools: `native`, or as `text`.",
                set: |settings, text| {
                    settings.models.$name.tools = Some(values::tools(text)?);
                    Ok(())
                },
                show: |settings| settings.models.$name.tools.map(values::shown_tools),
                ..PLAIN
            },
            Setting {
                key: concat!("models.", stringify!($name), ".price"),
                variable: concat!($upper, "_PRICE"),
                default: "unknown: costs are not counted",
                about: "Dollars for a million tokens: `READ/WRITTEN` or `READ/CACHED/WRITTEN`, such as \
                        `0.30/2.50`.",
                set: |settings, text| {
                    settings.models.$name.price = Some(values::price(text)?);
                    Ok(())
                },
                show: |settings| settings.models.$name.price.map(values::shown_price),
                ..PLAIN
            },)*
        ];
    };
}

providers! {
    alchemyst "ALCHEMYST" "ALCHEMYST_BASE_URL" Some("ALCHEMYST_AI_API_KEY"),
        "`alchemyst-ai/alchemyst-c1`", "`128000`", "`false`", "`text`";
    gemini "GEMINI" "GEMINI_BASE_URL" Some("GOOGLE_API_KEY"),
        "`gemini-2.5-flash`", "`1048576`", "`true`", "`native`";
    openai "OPENAI" "OPENAI_BASE_URL" None,
        "none: it must be said", "`128000`", "`true`", "`native`";
    anthropic "ANTHROPIC" "ANTHROPIC_BASE_URL" None,
        "none: it must be said", "`200000`", "`true`", "`native`";
    ollama "OLLAMA" "OLLAMA_HOST" None,
        "none: it must be said", "`65536`", "`false`", "`native`";
}
