//! containerd.services.namespaces.v1: rooms that share bytes and nothing else.

mod client;
mod server;

pub use client::Client;
pub use server::server;

/// As health and reflection name it.
pub const NAME: &str = "containerd.services.namespaces.v1.Namespaces";
