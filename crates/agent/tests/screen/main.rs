//! `agentd screen` on an X server of its own: eyes and hands, for real.

mod desk;
mod orders;
