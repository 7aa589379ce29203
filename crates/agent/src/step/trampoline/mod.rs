//! What agentd does between being started again as the command user and becoming a command, and
//! what it does for commands. It runs with the command's own rights and holds no secrets.

mod connect;
mod exec;
mod put;

use std::ffi::OsString;
use std::path::PathBuf;

/// Exit code where a command was found but could not be started, as shells have it.
const CANNOT_START: u8 = 126;

/// Exit code where a command was not found, as shells have it.
const NOT_FOUND: u8 = 127;

/// A trampoline's call.
#[derive(Debug)]
pub enum Call {
    /// `agentd exec DIR PROGRAM [ARGUMENTS…]`: make the directory if it is missing, go there and
    /// become the program.
    Exec {
        /// The directory.
        dir: PathBuf,
        /// The program, looked up in PATH.
        program: OsString,
        /// Its arguments.
        arguments: Vec<OsString>,
    },
    /// `agentd connect HOST PORT`: standard input and output are a connection to a host.
    Connect {
        /// Its name or address.
        host: String,
        /// Its port.
        port: String,
    },
    /// `agentd put ROOT PATH`: write standard input to a file beneath the root.
    Put {
        /// The directory that is not left.
        root: PathBuf,
        /// The file, relative to it.
        path: PathBuf,
    },
}

impl Call {
    /// Reads agentd's arguments; `None` if they are no trampoline's.
    #[must_use]
    pub fn parse(arguments: &[OsString]) -> Option<Self> {
        match arguments {
            [name, dir, program, arguments @ ..] if name == "exec" => Some(Self::Exec {
                dir: dir.into(),
                program: program.clone(),
                arguments: arguments.to_vec(),
            }),
            [name, host, port] if name == "connect" => Some(Self::Connect {
                host: host.to_string_lossy().into_owned(),
                port: port.to_string_lossy().into_owned(),
            }),
            [name, root, path] if name == "put" => {
                Some(Self::Put { root: root.into(), path: path.into() })
            }
            _ => None,
        }
    }

    /// Does it. Returns only if there is no program to become; the error is for the step's
    /// standard error.
    ///
    /// # Errors
    /// The text and the exit code.
    pub fn run(self) -> Result<(), (String, u8)> {
        match self {
            Self::Exec { dir, program, arguments } => {
                let error = exec::become_program(&dir, &program, &arguments);
                let code = if error.is_not_found() { NOT_FOUND } else { CANNOT_START };
                Err((error.to_string(), code))
            }
            Self::Connect { host, port } => {
                connect::connect(&host, &port).map_err(|e| (e.to_string(), 1))
            }
            Self::Put { root, path } => {
                put::put(&root, &path, std::io::stdin().lock()).map_err(|e| (e.to_string(), 1))
            }
        }
    }
}
