//! The traits of what reaches out to registries: resolver and fetcher.
//!
//! Credentials belong to the client: they come with each request, each for the one host that it
//! names, are kept in memory for that request, and never printed.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use zeroize::Zeroizing;

use crate::error::Result;
use crate::oci::Descriptor;
use crate::platform::Platform;
use crate::reference::Reference;
use crate::scope::Scope;

/// Names to descriptors (varve.resolver.v1).
#[async_trait]
pub trait Resolver: Send + Sync {
    /// Asks the registry what `remote.reference` is: one HEAD where the registry allows. A digest
    /// in the reference decides; a tag beside it that points elsewhere is FailedPrecondition.
    async fn resolve(&self, remote: &Remote) -> Result<Descriptor>;

    /// From `target`, which must be in the content store (as must indexes below it), to the manifest
    /// for `platform`. A manifest chooses itself. NotFound, listing the platforms there are, where
    /// none fits.
    async fn select(
        &self,
        scope: &Scope,
        target: &Descriptor,
        platform: &Platform,
    ) -> Result<Descriptor>;

    /// The bytes of an index, a manifest or a config of the reference's repository, as the registry has
    /// them: checked by digest and size, and kept nowhere. ResourceExhausted for more than
    /// [`Bounds::document`](crate::oci::Bounds::document).
    async fn document(&self, remote: &Remote, document: &Descriptor) -> Result<Bytes>;

    /// All tags of the reference's repository, sorted.
    async fn tags(&self, remote: &Remote) -> Result<Vec<String>>;
}

/// Descriptors to blobs (varve.fetcher.v1).
#[async_trait]
pub trait Fetcher: Send + Sync {
    /// Brings `blob` from the repository of `remote.reference` into the content store, under the ref
    /// [`ingest_ref`]; resumes what is there; size and digest are checked as bytes arrive. A blob
    /// asked for twice at once is downloaded once. Dropping the future keeps what has come.
    async fn fetch(
        &self,
        scope: &Scope,
        remote: &Remote,
        blob: &Descriptor,
        progress: Progress,
    ) -> Result<Fetched>;
}

/// Where to, and how.
#[derive(Clone, Debug)]
pub struct Remote {
    pub reference: Reference,
    /// Speak http to hosts that are not on the loopback too.
    pub plain_http: bool,
    /// For hosts that the client has a login for.
    pub credentials: Vec<Credential>,
}

impl Remote {
    /// Without credentials, by https unless on the loopback.
    pub fn anonymous(reference: Reference) -> Self {
        Self { reference, plain_http: false, credentials: Vec::new() }
    }
}

/// A login at one host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Credential {
    /// As the reference spells it: `docker.io`, `host:port`.
    pub host: String,
    pub login: Login,
}

/// What a login consists of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Login {
    Basic {
        username: String,
        password: Secret,
    },
    /// An OAuth 2 refresh token, which Docker calls identity token.
    IdentityToken(Secret),
    /// A bearer token that is used as it is (Docker's `registrytoken`).
    RegistryToken(Secret),
}

/// A string that is never printed, and wiped when it goes. What is made of it for the wire is not: a
/// process that has secrets leaves no core dump (lib/rpc, process).
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    pub fn new(secret: impl Into<String>) -> Self {
        Self(Zeroizing::new(secret.into()))
    }

    /// The secret, for the one header it goes into.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// What came of a fetch.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Fetched {
    /// It was in this namespace before.
    pub reused: bool,
    /// Bytes that came over the network for this request.
    pub downloaded: u64,
    /// Bytes that an earlier, broken download had left.
    pub resumed_at: u64,
}

/// What a fetch tells while it goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// Bytes of the blob that are here so far, those of earlier attempts included.
    At(u64),
    /// Something failed that is tried again.
    Retrying { attempt: u32 },
}

/// Told of the events of one fetch.
#[derive(Clone)]
pub struct Progress(Arc<dyn Fn(Event) + Send + Sync>);

impl Progress {
    pub fn new(tell: impl Fn(Event) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    /// For callers that do not look.
    pub fn ignored() -> Self {
        Self::new(|_| {})
    }

    pub fn tell(&self, event: Event) {
        (self.0)(event);
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Progress")
    }
}

/// The ref that a blob is ingested under, in containerd's words: `layer-sha256:…`.
pub fn ingest_ref(blob: &Descriptor) -> String {
    let kind = match &blob.media_type {
        kind if kind.is_index() => "index",
        kind if kind.is_manifest() => "manifest",
        kind if kind.layer().is_some() => "layer",
        crate::MediaType::OciConfig | crate::MediaType::DockerConfig => "config",
        _ => "unknown",
    };
    format!("{kind}-{}", blob.digest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Digest, MediaType};

    #[test]
    fn a_secret_is_never_printed() {
        let password = Secret::new("hunter2");
        let login = Login::Basic { username: "u".into(), password };
        assert!(!format!("{login:?}").contains("hunter2"));
    }

    #[test]
    fn ingest_refs_are_containerds() {
        let layer = Descriptor::new(
            "application/vnd.oci.image.layer.v1.tar+gzip".into(),
            Digest::of(b""),
            0,
        );
        assert!(ingest_ref(&layer).starts_with("layer-sha256:e3b0"));
        let other = Descriptor::new(MediaType::Other("x/y".into()), Digest::of(b""), 0);
        assert!(ingest_ref(&other).starts_with("unknown-sha256:"));
    }
}
