//! One try to tell the webhook. Nothing of an answer is read but its status.

use std::time::Duration;

use api::JobSummary;
use jiff::Timestamp;
use jobs::Message;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Url};
use serde::Serialize;

use crate::secret::Secret;

/// How long a try may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// Whom to tell.
#[derive(Clone, Debug)]
pub struct Hook {
    url: Url,
    secret: Secret,
}

/// What a try came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It was taken.
    Taken,
    /// Nobody wants to hear anything there.
    Gone,
    /// Not taken; why.
    Failed(String),
}

#[derive(Serialize)]
struct Body<'a> {
    r#type: &'a str,
    timestamp: Timestamp,
    data: JobSummary,
}

impl Hook {
    /// Someone at this address of HTTP.
    #[must_use]
    pub fn new(url: Url, secret: Secret) -> Self {
        Self { url, secret }
    }

    /// Where it is, for people: the rest of its address may be a secret.
    pub(crate) fn place(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    pub(crate) async fn tell(&self, client: &Client, message: &Message, now: Timestamp) -> Answer {
        let id = format!("{}-{}", message.job.id, message.seq);
        let (r#type, timestamp) = (&*message.kind, message.at);
        let body = Body { r#type, timestamp, data: message.job.clone().into() };
        let body = match serde_json::to_string(&body) {
            Ok(body) => body,
            Err(e) => return Answer::Failed(e.to_string()),
        };
        let sent = client
            .post(self.url.clone())
            .timeout(PATIENCE)
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", &id)
            .header("webhook-timestamp", now.as_second())
            .header("webhook-signature", self.secret.sign(&id, now.as_second(), &body))
            .body(body)
            .send()
            .await;
        sent.map_or_else(|e| Answer::Failed(models::words(e)), |it| answer(it.status().as_u16()))
    }
}

fn answer(status: u16) -> Answer {
    match status {
        200..300 => Answer::Taken,
        410 => Answer::Gone,
        300..400 => Answer::Failed(format!("HTTP {status}: it redirects, which is not followed")),
        _ => Answer::Failed(format!("HTTP {status}")),
    }
}

#[cfg(test)]
mod tests;
