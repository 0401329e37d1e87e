//! varve.content.v1: what the content store does beyond containerd's API. Reference counts, collection
//! and who attends it are the collector's; following, recording and renewing belong to the clients of
//! content, images and leases.

mod attend;
mod attendee;
mod client;
mod convert;
mod follow;
mod server;
mod soon;

pub use attend::attend;
pub use client::Client;
pub use server::server;
pub(crate) use soon::{DELAY, Soon};

/// As health and reflection name it.
pub const NAME: &str = "varve.content.v1.ContentStore";
