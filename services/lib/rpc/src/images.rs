//! containerd.services.images.v1: names that point to content.

mod client;
pub(crate) mod convert;
mod server;

pub use client::Client;
pub use server::server;

/// As health and reflection name it.
pub const NAME: &str = "containerd.services.images.v1.Images";
