//! How providers say no: what they have in common. What the body looks like, each dialect knows.

use std::time::Duration;

use jiff::Timestamp;

use super::fault::Hint;
use super::{Fault, Overflow, Provider};

/// A request that is not answered.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) why: Why,
    /// As this provider says it.
    pub(super) message: String,
}

/// Why, where the status does not say it all.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Why {
    /// The status says it.
    Status,
    /// The key is missing or wrong.
    Key,
    /// No such model.
    Model,
    /// Nothing is left.
    Quota,
    /// Too often; where the hint stands, and when to come back.
    RateLimit(Hint, Duration),
    /// Too long: in this form, with so many tokens where so many fit.
    Overflow { form: Overflow, tokens: u64, window: u64 },
}

impl Refusal {
    /// 400 with these words.
    pub(super) fn wrong(message: impl Into<String>) -> Self {
        Self { status: 400, why: Why::Status, message: message.into() }
    }

    /// The key is missing or wrong.
    pub(super) fn key(provider: Provider, key: &str) -> Self {
        let (status, message) = match provider {
            // With 400, as Google does.
            Provider::Gemini if !key.is_empty() => {
                (400, "API key not valid. Please pass a valid API key.".into())
            }
            Provider::Gemini => (
                403,
                "Method doesn't allow unregistered callers (callers without established \
                 identity). Please use API Key or other form of API consumer identity to call \
                 this API."
                    .into(),
            ),
            Provider::OpenAi if key.is_empty() => (
                401,
                "You didn't provide an API key. You need to provide your API key in an \
                       Authorization header using Bearer auth (i.e. Authorization: Bearer \
                       YOUR_KEY)."
                    .into(),
            ),
            Provider::OpenAi => (401, format!("Incorrect API key provided: {key}.")),
            Provider::Anthropic if key.is_empty() => (401, "x-api-key header is required".into()),
            Provider::Anthropic => (401, "invalid x-api-key".into()),
            Provider::Alchemyst => (401, "Invalid API key".into()),
            Provider::Ollama => (401, "unauthorized".into()),
        };
        Self { status, why: Why::Key, message }
    }

    /// There is no such model.
    pub(super) fn model(provider: Provider, model: &str) -> Self {
        let message = match provider {
            Provider::Gemini => format!(
                "models/{model} is not found for API version v1beta, or is not supported for \
                 generateContent. Call ListModels to see the list of available models and their \
                 supported methods."
            ),
            Provider::Anthropic => format!("model: {model}"),
            Provider::Ollama => format!("model '{model}' not found"),
            Provider::OpenAi | Provider::Alchemyst => {
                format!("The model `{model}` does not exist or you do not have access to it.")
            }
        };
        Self { status: 404, why: Why::Model, message }
    }

    /// A refusal for no reason but its status.
    pub(super) fn status(provider: Provider, status: u16, message: Option<String>) -> Self {
        let key = || Self::key(provider, "wrong");
        let model = || Self::model(provider, "gone");
        let mut refusal = match status {
            401 => Self { status, ..key() },
            404 => model(),
            _ => Self { status, why: Why::Status, message: usual(status).into() },
        };
        if let Some(message) = message {
            refusal.message = message;
        }
        refusal
    }

    /// What a fault says, if it is one that refuses.
    pub(super) fn of(fault: &Fault, provider: Provider, tokens: u64) -> Option<Self> {
        Some(match fault {
            Fault::RateLimit { hint, after_ms } => {
                rate_limit(provider, *hint, Duration::from_millis(*after_ms))
            }
            Fault::Quota => quota(provider),
            Fault::Status { status, message } => Self::status(provider, *status, message.clone()),
            Fault::Overflow { form, window } => {
                super::overflow::refusal(*form, provider, tokens.max(window + 1), *window)?
            }
            Fault::MissingSignature => Self::wrong(super::sign::MISSING),
            Fault::CorruptedSignature => Self::wrong(super::sign::CORRUPTED),
            _ => return None,
        })
    }

    /// The headers that hint at when to come back.
    pub(super) fn hint_headers(&self, provider: Provider) -> Vec<(&'static str, String)> {
        let Why::RateLimit(hint, after) = &self.why else { return vec![] };
        let at = Timestamp::now() + *after;
        match hint {
            Hint::Seconds => vec![("retry-after", after.as_secs_f64().ceil().to_string())],
            Hint::Date => vec![("retry-after", http_date(at))],
            Hint::Ms => vec![("retry-after-ms", after.as_millis().to_string())],
            Hint::Reset if provider == Provider::Anthropic => vec![
                ("anthropic-ratelimit-requests-limit", "50".into()),
                ("anthropic-ratelimit-requests-remaining", "0".into()),
                ("anthropic-ratelimit-requests-reset", at.to_string()),
            ],
            Hint::Reset => vec![
                ("x-ratelimit-limit-requests", "60".into()),
                ("x-ratelimit-remaining-requests", "0".into()),
                ("x-ratelimit-reset-requests", go_duration(*after)),
            ],
            Hint::None | Hint::RetryInfo | Hint::Text => vec![],
        }
    }
}

fn rate_limit(provider: Provider, hint: Hint, after: Duration) -> Refusal {
    let mut message = match provider {
        Provider::Gemini => "You exceeded your current quota, please check your plan and billing \
                             details."
            .to_owned(),
        Provider::Anthropic => "This request would exceed your organization's rate limit of 50 \
                                requests per minute."
            .to_owned(),
        Provider::OpenAi => "Rate limit reached for requests on requests per min (RPM): Limit 3, \
                             Used 3, Requested 1."
            .to_owned(),
        Provider::Alchemyst => "Rate limit exceeded".to_owned(),
        Provider::Ollama => "too many requests".to_owned(),
    };
    match hint {
        Hint::Text if provider == Provider::Gemini => {
            message += &format!("\nPlease retry in {}s.", after.as_secs_f64());
        }
        Hint::Text => message += &format!(" Please try again in {}s.", after.as_secs_f64()),
        _ => {}
    }
    Refusal { status: 429, why: Why::RateLimit(hint, after), message }
}

fn quota(provider: Provider) -> Refusal {
    let (status, message) = match provider {
        Provider::OpenAi | Provider::Gemini => {
            (429, "You exceeded your current quota, please check your plan and billing details.")
        }
        Provider::Anthropic => (
            400,
            "Your credit balance is too low to access the Anthropic API. Please go to Plans & \
             Billing to upgrade or purchase credits.",
        ),
        Provider::Alchemyst => (402, "Insufficient credits"),
        Provider::Ollama => (402, "you have reached your weekly usage limit"),
    };
    Refusal { status, why: Why::Quota, message: message.into() }
}

fn usual(status: u16) -> &'static str {
    match status {
        400 => "Invalid request.",
        402 => "Your account has a billing problem.",
        403 => "Your key may not use this.",
        408 => "The request timed out.",
        413 => "Request exceeds the maximum size",
        500 => "The server had an error while processing your request. Sorry about that!",
        502 => "Bad gateway",
        503 => "The model is overloaded. Please try again later.",
        504 => "Deadline expired before operation could complete.",
        529 => "Overloaded",
        _ => "Something went wrong.",
    }
}

/// As headers have it: `Sat, 21 Nov 2026 15:31:31 GMT`.
fn http_date(at: Timestamp) -> String {
    at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// As OpenAI has it: `12ms`, `1.5s`, `6m0s`.
fn go_duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    match millis {
        0..1000 => format!("{millis}ms"),
        1000..60_000 => format!("{}s", duration.as_secs_f64()),
        _ => format!("{}m{}s", millis / 60_000, (millis % 60_000) / 1000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_dates_are_as_providers_write_them() {
        let written = [12, 1500, 2000, 360_000].map(|ms| go_duration(Duration::from_millis(ms)));
        assert_eq!(written, ["12ms", "1.5s", "2s", "6m0s"]);
        let at = Timestamp::from_second(784_111_777).unwrap();
        assert_eq!(http_date(at), "Sun, 06 Nov 1994 08:49:37 GMT");
    }
}
