//! The router on the real service, store and gateways, with the fake engine: a scripted agent
//! speaks the real protocol in place of agentd.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

mod calls;
mod converse;
mod desktop;
mod downloads;
mod files;
mod keys;
mod lapse;
mod lists;
mod live;
mod pages;
mod refusals;
mod resume;
mod sessions;
mod shell;
mod sockets;
mod submissions;
mod support;
mod system;
