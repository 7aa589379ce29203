//! TypeScript on any Node, without network and without npm packages.
//!
//! [`transpile()`] turns one file into JavaScript, [`build()`] a tree of them, and [`run()`] replaces this
//! process by Node with a loader (`loader.js`) that calls back here for every TypeScript file.
//!
//! Not here: type checking (only the syntax is looked at, as with every fast TypeScript runner), and
//! package resolution (Node does that).

mod build;
mod format;
mod helpers;
mod node;
mod parse;
mod problem;
mod run;
mod specifier;
mod transpile;

pub use build::{BuildError, build};
pub use format::Format;
pub use node::NodeError;
pub use problem::{Problem, Problems};
pub use run::{RunError, Script, run};
pub use transpile::{SourceMap, TranspileError, Transpiled, transpile, transpile_file};
