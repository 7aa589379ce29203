use serde::{Deserialize, Serialize};

/// A runbook, ready to be run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Runbook {
    /// The first heading, if there is one.
    pub title: Option<String>,
    /// What to do, in order; never empty.
    pub blocks: Vec<Block>,
}

/// One fenced block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// Line of the opening fence, from 1.
    pub line: u32,
    /// For people: the heading above for the first thing run beneath it, else the first line of the
    /// code; a file's path.
    pub title: String,
    /// What to do.
    pub work: Work,
}

/// What a block asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Work {
    /// Run the code.
    Run {
        /// With which program.
        program: Program,
        /// The code, word for word.
        code: String,
        /// `timeout=`: seconds after which the step is stopped.
        timeout_seconds: Option<u32>,
        /// `continue-on-error`: a failure does not end the job.
        continue_on_error: bool,
        /// `expect-exit=`: the exit code that counts as success; 0 unless said.
        expect_exit: i32,
        /// `cwd=`: a directory beneath the workspace, made if missing, for this block only; without
        /// it a block starts where the last shell block ended.
        cwd: Option<String>,
    },
    /// Write the file.
    File {
        /// Its path beneath the workspace: relative, without `..`, not under `.cagent/`.
        path: String,
        /// Its bytes (`encoding=base64` blocks are decoded already).
        #[serde(with = "crate::block::base64_bytes")]
        content: Vec<u8>,
    },
}

/// What runs a block's code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Program {
    /// `bash -eo pipefail`
    Bash,
    /// `sh -e`
    Sh,
    /// `python3`
    Python,
    /// The sandbox's Node, types removed.
    TypeScript,
    /// The sandbox's Node.
    JavaScript,
}

/// JSON cannot hold bytes; text would not survive for binary files.
mod base64_bytes {
    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&BASE64_STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        BASE64_STANDARD.decode(String::deserialize(from)?).map_err(D::Error::custom)
    }
}
