//! The real `ts` with the real Node from PATH and others (`scripts/nodes`), on small trees of files.

mod build;
mod process;
mod resolution;
mod support;
mod syntax;
