//! The service on a real store and real gateways, with the fake engine: a scripted agent speaks the
//! real protocol in place of agentd.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod accept;
mod agents;
mod dial;
mod files;
mod full_disk;
mod full_start;
mod health;
mod life;
mod list;
mod model;
mod people;
mod restart;
mod resume;
mod support;
