//! The command line, by hand: a parser library would be a good part of this binary's size.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use typescript::Script;

/// What `ts --help` says.
pub(crate) const USAGE: &str = "\
Runs and builds TypeScript on the Node in PATH (18 or newer).

  ts run [--as PATH] FILE [ARGS…]   run FILE (as if it were at PATH)
  ts build SRC_DIR --out DIR        write DIR with SRC_DIR's TypeScript as JavaScript
  ts transpile [--as PATH] FILE     print FILE's module format, then its JavaScript
  ts --version | --help
";

/// What is asked of `ts`.
#[derive(Debug)]
pub(crate) enum Command {
    Run(Script),
    Build { source: PathBuf, out: PathBuf },
    Transpile { file: PathBuf, path: PathBuf },
    Version,
    Help,
}

impl Command {
    /// Reads the arguments after the program's name; an error says what is wrong with them.
    pub(crate) fn parse(args: impl Iterator<Item = OsString>) -> Result<Self, String> {
        let mut args = args;
        let Some(name) = args.next() else { return Err("no command".to_owned()) };
        match name.to_str() {
            Some("run") => script(args).map(Self::Run),
            Some("build") => build(args),
            Some("transpile") => transpile(args),
            Some("--version" | "-V") => Ok(Self::Version),
            Some("--help" | "-h" | "help") => Ok(Self::Help),
            _ => Err(format!("unknown command {}", name.display())),
        }
    }
}

/// `[--as PATH] [--] FILE [ARGS…]`: everything after the file is the script's.
fn script(mut args: impl Iterator<Item = OsString>) -> Result<Script, String> {
    let mut path = None;
    let file = loop {
        let arg = args.next().ok_or("no FILE")?;
        match arg.to_str() {
            Some("--as") => path = Some(PathBuf::from(args.next().ok_or("--as takes a PATH")?)),
            Some("--") => break args.next().ok_or("no FILE")?,
            _ if is_option(&arg) => return Err(format!("unknown option {}", arg.display())),
            _ => break arg,
        }
    };
    let file = PathBuf::from(file);
    Ok(Script { path: path.unwrap_or_else(|| file.clone()), file, args: args.collect() })
}

fn transpile(args: impl Iterator<Item = OsString>) -> Result<Command, String> {
    let Script { file, path, args } = script(args)?;
    match args.first() {
        Some(extra) => Err(format!("one FILE only, not also {}", extra.display())),
        None => Ok(Command::Transpile { file, path }),
    }
}

fn build(mut args: impl Iterator<Item = OsString>) -> Result<Command, String> {
    let (mut source, mut out) = (None, None);
    while let Some(arg) = args.next() {
        if arg == "--out" {
            out = Some(args.next().ok_or("--out takes a DIR")?.into());
        } else if is_option(&arg) {
            return Err(format!("unknown option {}", arg.display()));
        } else if source.replace(PathBuf::from(&arg)).is_some() {
            return Err(format!("one SRC_DIR only, not also {}", arg.display()));
        }
    }
    Ok(Command::Build { source: source.ok_or("no SRC_DIR")?, out: out.ok_or("no --out DIR")? })
}

fn is_option(arg: &OsStr) -> bool {
    arg.as_encoded_bytes().starts_with(b"-")
}
