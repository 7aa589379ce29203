//! A real server for tests: the program itself, on a data directory and a port of its own; and
//! scripted models for it to ask ([`scripted`]); a browser to look at it ([`Browser`]); Docker
//! daemons ([`docker`]); a person at a terminal ([`Terminal`]); and jobs that install packages
//! ([`packages`]).
//!
//! Invariant: what a test starts is gone when it ends, also when it panics. Not here: what is
//! expected of the server; that is for the tests to say.

mod browser;
mod client;
mod data_dir;
pub mod docker;
pub mod packages;
pub mod scripted;
mod server;
mod terminal;

pub use browser::{Browser, Page};
pub use client::{Client, http_client};
pub use data_dir::DataDir;
pub use scripted::ScriptedModel;
pub use server::{Builder, Server};
pub use terminal::Terminal;

/// How long a test waits for what should come at once, before it fails with what it knows.
pub const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);
