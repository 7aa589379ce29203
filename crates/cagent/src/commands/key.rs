//! `cagent key`.

use std::process::ExitCode;

use jiff::Timestamp;
use serde_json::json;
use types::ApiKey;

use super::Context;
use crate::args::{Format, KeyCommand, KeyCreateArgs};
use crate::place::Place;
use crate::{complaint, output, text};

pub(super) async fn key(
    command: KeyCommand,
    context: Context<'_>,
    format: Format,
) -> anyhow::Result<ExitCode> {
    match command {
        // The first key may be made before the first start.
        KeyCommand::Create(args) => create(context.new_place().await?, &args, format).await?,
        KeyCommand::Ls => list(context.place().await?, format).await?,
        KeyCommand::Revoke { ids } => revoke(context.place().await?, &ids, format).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// On standard output there is the key and nothing else, for scripts.
async fn create(place: Place, args: &KeyCreateArgs, format: Format) -> anyhow::Result<()> {
    let KeyCreateArgs { name, scope, expires } = args;
    let body = json!({ "name": name, "scope": scope, "expires": expires });
    let made = place.client().make_key(&body).await?;
    place.close().await;
    if format == Format::Json {
        return output::json(&made);
    }
    output::line(&made.key)?;
    complaint::say(&format!("keep it, it is not shown again; its id is {}", made.about.id));
    Ok(())
}

async fn list(place: Place, format: Format) -> anyhow::Result<()> {
    let list = place.client().keys().await?;
    place.close().await;
    if format == Format::Json {
        return output::json(&list);
    }
    let now = Timestamp::now();
    let rows: Vec<_> = list.keys.iter().map(|key| row(key, now)).collect();
    output::table(["ID", "NAME", "SCOPE", "CREATED", "STATE"], &rows)
}

async fn revoke(place: Place, ids: &[String], format: Format) -> anyhow::Result<()> {
    for id in ids {
        place.client().revoke_key(id).await?;
        if format == Format::Text {
            output::line(&format!("key {id} is revoked"))?;
        }
    }
    place.close().await;
    if format == Format::Json {
        output::json(&json!({ "revoked": ids }))?;
    }
    Ok(())
}

fn row(key: &ApiKey, now: Timestamp) -> [String; 5] {
    [
        key.id.clone(),
        text::one_line(&key.name),
        key.scope.as_str().into(),
        format!("{:.0}", key.created),
        state(key, now),
    ]
}

fn state(key: &ApiKey, now: Timestamp) -> String {
    match (key.revoked, key.expires) {
        (Some(revoked), _) => format!("revoked {revoked:.0}"),
        (None, Some(expires)) if expires <= now => format!("expired {expires:.0}"),
        (None, Some(expires)) => format!("works until {expires:.0}"),
        (None, None) => "works".into(),
    }
}
