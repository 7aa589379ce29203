//! The settings of model providers, and which providers they come to.
//!
//! A provider is there when it has what it cannot do without: a key, or for a local one an address;
//! and a model, where we know no good default.
//!
//! Not here: their rows in the table ([`table`]), and how values are written ([`values`],
//! [`address`]).

mod address;
mod table;
mod values;

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use models::{Kind, Price, Provider, Secret, ToolMode};
use reqwest::Url;

use address::Address;
pub(super) use table::SETTINGS;

/// What was set of the model providers.
#[derive(Clone, Debug, Default)]
pub(crate) struct ModelSettings {
    /// Who is asked, in this order; everybody there is if none.
    order: Option<Vec<Kind>>,
    /// How many seconds a provider may say nothing.
    silence: Option<u32>,
    alchemyst: ProviderSettings,
    gemini: ProviderSettings,
    openai: ProviderSettings,
    anthropic: ProviderSettings,
    ollama: ProviderSettings,
}

/// What was set of one of them.
#[derive(Clone, Debug, Default)]
struct ProviderSettings {
    key: Option<Secret>,
    base_url: Option<Address>,
    model: Option<String>,
    window: Option<u64>,
    images: Option<bool>,
    tools: Option<ToolMode>,
    price: Option<Price>,
}

/// What a provider is if nobody says otherwise.
struct Usual {
    base_url: &'static str,
    /// None where no model is known that everybody with a key has.
    model: Option<&'static str>,
    window: u64,
    images: bool,
    tools: ToolMode,
}

/// Long enough for a model that thinks before its first word.
const SILENCE_SECONDS: u32 = 180;

impl ModelSettings {
    /// Who is asked, in order.
    ///
    /// # Errors
    /// When somebody is named who cannot be asked.
    pub(crate) fn providers(&self) -> Result<Vec<Provider>> {
        match &self.order {
            None => Ok(Kind::ALL.iter().filter_map(|kind| self.provider(*kind).ok()).collect()),
            Some(order) => order.iter().map(|kind| self.provider(*kind)).collect(),
        }
    }

    /// Who was meant to be there, it seems, and is not; and whose key others can read.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let halves =
            Kind::ALL.iter().filter(|kind| self.order.is_none() && self.of(**kind).is_begun());
        let halves = halves.filter_map(|kind| self.provider(*kind).err()).map(|e| e.to_string());
        let asked = Kind::ALL.into_iter().filter(|kind| self.is_asked(*kind));
        let told = asked.filter(|kind| self.of(*kind).tells_its_key()).map(|kind| {
            format!("{}: its key is sent unencrypted, by http; use https", kind.as_str())
        });
        halves.chain(told).collect()
    }

    fn is_asked(&self, kind: Kind) -> bool {
        self.order.as_ref().is_none_or(|order| order.contains(&kind)) && self.provider(kind).is_ok()
    }

    fn provider(&self, kind: Kind) -> Result<Provider> {
        let (set, usual) = (self.of(kind), usual(kind));
        let (name, upper) = (kind.as_str(), kind.as_str().to_uppercase());
        let needs_key = match kind {
            Kind::Alchemyst | Kind::Gemini | Kind::Anthropic => true,
            // A local server that speaks like it has none.
            Kind::OpenAi => set.base_url.is_none(),
            Kind::Ollama => false,
        };
        ensure!(set.key.is_some() || !needs_key, "{name} is not asked: set {upper}_API_KEY");
        let model = set.model.clone().or_else(|| usual.model.map(Into::into));
        let model = model.with_context(|| {
            format!("{name} is not asked: say which of its models, by {upper}_MODEL")
        })?;
        Ok(Provider {
            kind,
            key: set.key.clone(),
            base_url: match &set.base_url {
                Some(address) if kind == Kind::Ollama => as_ollama_means(address.url().clone()),
                Some(address) => address.url().clone(),
                None => Url::parse(usual.base_url)?,
            },
            model,
            window_tokens: set.window.unwrap_or(usual.window),
            images: set.images.unwrap_or(usual.images),
            tools: set.tools.unwrap_or(usual.tools),
            price: set.price,
            silence: Duration::from_secs(self.silence.unwrap_or(SILENCE_SECONDS).into()),
        })
    }

    fn of(&self, kind: Kind) -> &ProviderSettings {
        match kind {
            Kind::Alchemyst => &self.alchemyst,
            Kind::Gemini => &self.gemini,
            Kind::OpenAi => &self.openai,
            Kind::Anthropic => &self.anthropic,
            Kind::Ollama => &self.ollama,
        }
    }
}

impl ProviderSettings {
    fn is_begun(&self) -> bool {
        self.key.is_some() || self.base_url.is_some() || self.model.is_some()
    }

    fn tells_its_key(&self) -> bool {
        self.key.is_some() && self.base_url.as_ref().is_some_and(Address::is_readable)
    }
}

/// `OLLAMA_HOST` also says where Ollama itself listens: on every address, maybe, and without a port
/// on its own.
fn as_ollama_means(mut url: Url) -> Url {
    // Either fails for URLs without a host only, which a base URL has.
    if url.host_str() == Some("0.0.0.0") {
        let _ = url.set_host(Some("127.0.0.1"));
    }
    if url.scheme() == "http" && url.port().is_none() {
        let _ = url.set_port(Some(11434));
    }
    url
}

fn usual(kind: Kind) -> Usual {
    let (images, tools) = (true, ToolMode::Native);
    match kind {
        Kind::Alchemyst => Usual {
            base_url: "https://platform-backend.getalchemystai.com/api/v1/proxy/default",
            model: Some("alchemyst-ai/alchemyst-c1"),
            window: 128_000,
            images: false,
            // Its proxy documents no tools, and drops messages that look alike.
            tools: ToolMode::Text,
        },
        Kind::Gemini => Usual {
            base_url: "https://generativelanguage.googleapis.com/v1beta",
            model: Some("gemini-2.5-flash"),
            window: 1_048_576,
            images,
            tools,
        },
        Kind::OpenAi => Usual {
            base_url: "https://api.openai.com/v1",
            model: None,
            window: 128_000,
            images,
            tools,
        },
        Kind::Anthropic => Usual {
            base_url: "https://api.anthropic.com",
            model: None,
            window: 200_000,
            images,
            tools,
        },
        Kind::Ollama => Usual {
            base_url: "http://127.0.0.1:11434",
            model: None,
            // What its own documentation asks for with agents.
            window: 65_536,
            images: false,
            tools,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Settings, Sources};
    use super::*;

    fn set(given: &[(&str, &str)]) -> Result<ModelSettings> {
        let own = given.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        let own = own.chain([("HOME".into(), "/nowhere".into())]);
        let sources = Sources::read([].into(), own, std::path::Path::new("/nowhere/.env"))?;
        Ok(Settings::new(&sources)?.models)
    }

    fn names(given: &[(&str, &str)]) -> Vec<String> {
        let providers = set(given).unwrap().providers().unwrap();
        providers.iter().map(Provider::name).collect()
    }

    #[test]
    fn a_key_is_enough_where_a_model_is_known() {
        assert!(names(&[]).is_empty());
        let both = [("GOOGLE_API_KEY", "k"), ("ALCHEMYST_AI_API_KEY", "k")];
        assert_eq!(
            names(&both),
            ["alchemyst/alchemyst-ai/alchemyst-c1", "gemini/gemini-2.5-flash"]
        );
        assert_eq!(names(&[("OLLAMA_MODEL", "qwen")]), ["ollama/qwen"]);
        let local = [("OPENAI_BASE_URL", "127.0.0.1:8080/v1"), ("OPENAI_MODEL", "m")];
        assert_eq!(names(&local), ["openai/m"]);
    }

    #[test]
    fn a_host_is_what_ollama_means_by_it() {
        for (given, meant) in [
            ("0.0.0.0", "http://127.0.0.1:11434/"),
            ("box:80", "http://box:11434/"),
            ("http://box:8080", "http://box:8080/"),
            ("https://example.org/ollama", "https://example.org/ollama"),
        ] {
            let set = set(&[("OLLAMA_HOST", given), ("OLLAMA_MODEL", "q")]).unwrap();
            assert_eq!(set.providers().unwrap()[0].base_url.as_str(), meant, "{given}");
        }
    }

    #[test]
    fn the_order_is_the_operators() {
        let all =
            [("GEMINI_API_KEY", "k"), ("OLLAMA_MODEL", "q"), ("CAGENT_MODELS", "ollama,gemini")];
        assert_eq!(names(&all), ["ollama/q", "gemini/gemini-2.5-flash"]);
        let named = set(&[("CAGENT_MODELS", "gemini")]).unwrap();
        assert!(named.providers().unwrap_err().to_string().contains("GEMINI_API_KEY"));
    }

    #[test]
    fn half_a_provider_is_a_warning() {
        let half = set(&[("OPENAI_API_KEY", "k"), ("GEMINI_MODEL", "m")]).unwrap();
        assert!(half.providers().unwrap().is_empty());
        let warnings = half.warnings();
        assert!(warnings[0].contains("set GEMINI_API_KEY"), "{warnings:?}");
        assert!(warnings[1].contains("by OPENAI_MODEL"), "{warnings:?}");
    }

    #[test]
    fn a_key_that_others_can_read_is_a_warning() {
        let told = |url, order| {
            let (key, url) = (("GEMINI_API_KEY", "k"), ("GEMINI_BASE_URL", url));
            let ollama = ("OLLAMA_MODEL", "q");
            set(&[key, url, ollama, ("CAGENT_MODELS", order)]).unwrap().warnings()
        };
        let warnings = told("http://example.org", "gemini");
        assert!(matches!(&*warnings, [one] if one.starts_with("gemini: ")), "{warnings:?}");
        assert!(told("https://example.org", "gemini").is_empty());
        assert!(told("http://127.0.0.1:1", "gemini").is_empty());
        assert!(told("http://example.org", "ollama").is_empty(), "it is not asked");
    }

    #[test]
    fn nonsense_is_refused_and_a_key_is_not_repeated() {
        for (name, value) in [
            ("CAGENT_MODELS", "gemnii"),
            ("CAGENT_MODELS", "gemini,gemini"),
            ("GEMINI_BASE_URL", "ftp://x"),
            ("GEMINI_BASE_URL", "example.org/v1"),
            ("GEMINI_BASE_URL", "https://me:secret@example.org"),
            ("GEMINI_BASE_URL", "https://example.org/?key=secret"),
            ("GEMINI_WINDOW", "10"),
            ("GEMINI_IMAGES", "maybe"),
            ("GEMINI_TOOLS", "both"),
            ("GEMINI_PRICE", "1"),
            ("GEMINI_PRICE", "-1/2"),
            ("CAGENT_MODEL_SILENCE", "0"),
        ] {
            let error = format!("{:#}", set(&[(name, value)]).unwrap_err());
            assert!(error.contains(name), "{error}");
        }
        let error = format!("{:#}", set(&[("GEMINI_API_KEY", "s3 cret")]).unwrap_err());
        assert!(error.contains("GEMINI_API_KEY") && !error.contains("cret"), "{error}");
    }
}
