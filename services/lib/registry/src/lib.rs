//! The distribution client: what real registries speak, and what they do wrong.
//!
//! It owns the way of a request to a registry: which host to dial (the registry or, by hosts.toml, a
//! mirror) and how, redirects, credentials and tokens, retries within a [`Budget`], a cap and a stall limit
//! on every body, uploads that are resumed; and the logins that Docker's config keeps. It promises
//! that a credential goes only to the host, realm and scope it is for, that no secret is printed,
//! and that no registry can make it wait or grow without a limit. It leaves to others what is done
//! with the bytes (the fetcher verifies and stores them) and what a descriptor means (the resolver).
//!
//! Behind the feature `testsuite` stands a registry in this process whose faults are values.

mod action;
mod auth;
mod blob;
mod body;
mod challenge;
mod client;
mod clients;
mod config;
pub mod docker_config;
mod endpoint;
mod exchange;
mod failure;
mod host;
mod hosts;
mod login;
mod manifest;
mod page;
mod payload;
mod push;
mod refusal;
mod registry;
mod repository;
mod retry;
mod search;
mod session;
mod shun;
mod tags;
#[cfg(feature = "testsuite")]
pub mod testsuite;
mod token;
mod transport;
mod upload;
mod visit;

pub use blob::BlobStream;
pub use client::Client;
pub use config::Config;
pub use docker_config::DockerConfig;
pub use failure::{ASK, Failure, LARGE};
pub use manifest::{Head, ManifestBytes};
pub use push::{Mounted, Pusher, Sent};
pub use repository::Repository;
pub use retry::Budget;
pub use search::{Hit, Scan};
pub use session::Session;
