//! varve.resolver.v1: names to descriptors.

mod client;
mod server;

pub use client::Client;
pub use server::server;

/// As health and reflection name it.
pub const NAME: &str = "varve.resolver.v1.Resolver";
