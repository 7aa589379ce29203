//! One import from beginning to end.

use std::path::Path;

use crate::bounds::Budget;
use crate::name::Name;
use crate::source::{self, Opened};
use crate::store::{self, Draft, Record};
use crate::unpack::{Unpacked, unpack};
use crate::{ImageError, Imported, Source};

/// The name of an image that has none.
const USUAL: &str = "containerized-agent:latest";

pub(crate) fn import(
    home: &Path,
    source: Source<'_>,
    name: Option<&str>,
) -> Result<Imported, ImageError> {
    let wanted = name.map(Name::parse).transpose()?;
    store::sweep(home);
    let (draft, budget) = (Draft::new(home)?, Budget::new());
    let opened = source::open(source, draft.scratch(), wanted.as_ref(), &budget)?;
    let Opened { layers, settings, digest, name } = opened;
    let Unpacked { entries, bytes, left_out, digest: archive } =
        unpack(&layers, &draft.root(), &budget)?;
    let record = Record {
        digest: digest.unwrap_or(archive),
        bytes,
        environment: settings.environment,
        labels: settings.labels,
    };
    let name = match wanted.or(name) {
        Some(name) => name,
        None => Name::parse(USUAL)?,
    };
    let image = draft.publish(&name, record)?;
    // Of what it replaced, if no sandbox has it any more.
    store::sweep(home);
    Ok(Imported { image, entries, left_out })
}
