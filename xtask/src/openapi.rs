//! The committed OpenAPI document. A test of the crate `api` fails when it is out of date.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;

/// Where the document is, from the root.
const DOCUMENT: &str = "crates/api/openapi.json";

/// Writes the document anew from the code.
///
/// # Errors
/// The document cannot be made or written.
pub(crate) fn write(root: &Path) -> anyhow::Result<ExitCode> {
    let document = api::openapi_json().context("make the OpenAPI document")?;
    let path = root.join(DOCUMENT);
    std::fs::write(&path, document).with_context(|| format!("write {}", path.display()))?;
    eprintln!("wrote {DOCUMENT}");
    Ok(ExitCode::SUCCESS)
}
