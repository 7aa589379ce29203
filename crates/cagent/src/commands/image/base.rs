//! What an agent image is made from: an image that is here, else one that is pulled, else Debian's
//! own packages put together on this machine.

use std::io;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use bollard::errors::Error;
use bollard::query_parameters::{CreateImageOptions, CreateImageOptionsBuilder};
use bollard::{Docker, body_try_stream};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tokio::process::{Child, Command};
use tokio_util::io::ReaderStream;

use crate::complaint;

/// What everybody can pull.
pub(super) const USUAL: &str = "debian:trixie-slim";

/// The same, made here; of Debian's suite [`SUITE`].
const OWN: (&str, &str) = ("cagent-base", SUITE);
const SUITE: &str = "trixie";

/// How long a registry may say nothing.
const SILENCE: Duration = Duration::from_secs(60);

/// As small as Debian's own slim image: no manuals, no translations.
const BOOTSTRAP: [&str; 11] = [
    "--quiet",
    "--variant=apt",
    "--include=ca-certificates,passwd",
    "--aptopt=Acquire::Languages \"none\"",
    "--dpkgopt=force-unsafe-io",
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-include=/usr/share/doc/*/copyright",
    "--dpkgopt=path-exclude=/usr/share/info/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    "--dpkgopt=path-exclude=/usr/share/man/*",
    SUITE,
];

/// Sees to it that the daemon has a base and says its name. `fresh`: one that was made here earlier
/// does not count.
pub(super) async fn ensure(
    docker: &Docker,
    named: Option<&str>,
    fresh: bool,
) -> anyhow::Result<String> {
    let wanted = named.unwrap_or(USUAL);
    if has(docker, wanted).await? {
        return Ok(wanted.into());
    }
    let own = format!("{}:{}", OWN.0, OWN.1);
    if named.is_none() && !fresh && has(docker, &own).await? {
        return Ok(own);
    }
    complaint::say(&format!("pulls {wanted}"));
    match pull(docker, wanted).await {
        Ok(()) => Ok(wanted.into()),
        Err(e) if named.is_some() => {
            Err(e.context(format!("{wanted} is not here and cannot be pulled")))
        }
        Err(e) => {
            let why = complaint::of(&e);
            complaint::say(&format!(
                "{wanted} cannot be pulled ({why}): makes {own} with mmdebstrap"
            ));
            bootstrap(docker).await?;
            Ok(own)
        }
    }
}

async fn has(docker: &Docker, image: &str) -> anyhow::Result<bool> {
    match docker.inspect_image(image).await {
        Ok(_) => Ok(true),
        Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(false),
        Err(e) => Err(e).with_context(|| format!("ask the Docker daemon for the image {image}")),
    }
}

async fn pull(docker: &Docker, image: &str) -> anyhow::Result<()> {
    let options = CreateImageOptionsBuilder::new().from_image(image).build();
    let mut messages = std::pin::pin!(docker.create_image(Some(options), None, None));
    loop {
        match tokio::time::timeout(SILENCE, messages.next()).await {
            Ok(Some(message)) => drop(message?),
            Ok(None) => return Ok(()),
            Err(_) => bail!("the registry said nothing for {} s", SILENCE.as_secs()),
        }
    }
}

/// Makes it with Debian's own tool.
async fn bootstrap(docker: &Docker) -> anyhow::Result<()> {
    let mut command = Command::new("mmdebstrap");
    command.args(BOOTSTRAP).arg("-").stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.kill_on_drop(true).spawn().context(
        "start mmdebstrap, which makes a base where none can be pulled; install it (Debian, Ubuntu: \
         apt-get install mmdebstrap debian-archive-keyring), or name an image that is here with \
         --base",
    )?;
    let stdout = child.stdout.take().context("read what mmdebstrap writes")?;
    // An error at the end if it failed, so that the daemon keeps nothing of it.
    let end = stream::once(success(child)).try_filter_map(|()| async { Ok(None) });
    let tar = body_try_stream(ReaderStream::new(stdout).chain(end));
    let import = docker.create_image(Some(import()), Some(tar), None);
    import.try_for_each(|_| async { Ok(()) }).await.context("make the base with mmdebstrap")
}

async fn success(mut child: Child) -> io::Result<()> {
    let status = child.wait().await?;
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("mmdebstrap: {status}"))) }
}

fn import() -> CreateImageOptions {
    let options = CreateImageOptionsBuilder::new().from_src("-").repo(OWN.0).tag(OWN.1);
    CreateImageOptions { changes: vec!["CMD [\"bash\"]".into()], ..options.build() }
}
