//! What `cagent run` asks for: the task's text, and the wishes beside it.

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Read as _};

use anyhow::{Context as _, bail, ensure};
use serde_json::{Value, json};

use crate::args::RunArgs;
use crate::limit;

/// The body of `POST /schedule`.
pub(super) fn body(args: &RunArgs) -> anyhow::Result<Value> {
    let variables = args.environment.iter().map(|variable| (&variable.name, &variable.value));
    let mut body = json!({
        "prompt": read_task(&args.task)?,
        "mode": args.mode,
        "limits": limit::body(&args.limits),
        "environment": variables.collect::<BTreeMap<_, _>>(),
        "include_caches": args.include_caches,
        "approve": args.approve,
        "desktop": args.desktop,
    });
    if let Some(engine) = args.engine {
        body["engine"] = json!(engine.as_str());
    }
    if let Some(image) = &args.image {
        body["image"] = json!(image);
    }
    if let Some(model) = &args.model {
        body["model"] = json!(model);
    }
    if let Some(network) = &args.network {
        body["network"] = json!(network);
    }
    Ok(body)
}

/// A file, standard input, or the text itself.
fn read_task(task: &str) -> anyhow::Result<String> {
    if task == "-" {
        ensure!(!std::io::stdin().is_terminal(), "standard input is the terminal; pipe a task in");
        let mut bytes = Vec::new();
        std::io::stdin().read_to_end(&mut bytes).context("read the task from standard input")?;
        return text_of(bytes, "standard input");
    }
    // Also what is no plain file: a shell's `<(...)` is a pipe.
    if let Ok(found) = std::fs::metadata(task) {
        ensure!(!found.is_dir(), "{task} is a directory; name the file with the task");
        let bytes = std::fs::read(task).with_context(|| format!("read the task {task}"))?;
        return text_of(bytes, task);
    }
    if !task.contains(char::is_whitespace) && task.ends_with(".md") {
        bail!("there is no file {task}");
    }
    Ok(task.into())
}

fn text_of(bytes: Vec<u8>, from: &str) -> anyhow::Result<String> {
    let text = String::from_utf8(bytes).ok().filter(|text| !text.contains('\0'));
    text.with_context(|| format!("{from} holds no text (UTF-8); a task is Markdown"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_a_file_or_the_text_itself() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("task.md");
        std::fs::write(&path, "from the file").unwrap();
        assert_eq!(read_task(path.to_str().unwrap()).unwrap(), "from the file");
        assert_eq!(read_task("make me a todo.md").unwrap(), "make me a todo.md");
        let missing = dir.path().join("missing.md");
        assert!(read_task(missing.to_str().unwrap()).is_err());
        std::fs::write(&path, b"\xff").unwrap();
        assert!(read_task(path.to_str().unwrap()).unwrap_err().to_string().contains("no text"));
        std::fs::write(&path, b"PK\0").unwrap();
        assert!(read_task(path.to_str().unwrap()).is_err());
        let folder = read_task(dir.path().to_str().unwrap()).unwrap_err();
        assert!(folder.to_string().contains("is a directory"));
    }
}
