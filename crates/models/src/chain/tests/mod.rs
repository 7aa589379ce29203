mod again;
mod errors;
mod failover;
mod health;
mod policy;
mod support;
