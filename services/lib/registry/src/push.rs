//! Pushing: what a registry has of it, blobs taken over from another repository of it, manifests. How a
//! blob gets there is `upload`.
//!
//! One host takes all of a push: the registry itself, or by hosts.toml another that says that it does.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Method, StatusCode};
use varve_core::content::Reader;
use varve_core::{Descriptor, Digest, Error, Kind, MediaType, Result};

use crate::action::Action;
use crate::exchange::{Answer, Request};
use crate::failure::Failure;
use crate::host::Host;
use crate::manifest;
use crate::payload::Payload;
use crate::repository::Repository;
use crate::retry::Budget;
use crate::session::Session;
use crate::upload::Upload;
use crate::visit::Visit;

/// Told up to which byte a blob has been sent.
pub type Sent = Arc<dyn Fn(u64) + Send + Sync>;

/// Where one repository takes what is pushed to it.
#[derive(Clone)]
pub struct Pusher {
    repository: Repository,
    full_name: Arc<str>,
    host: Arc<Host>,
}

/// What came of mounting a blob.
#[derive(Debug)]
pub enum Mounted {
    /// It is in the repository now.
    Yes,
    /// It has to be uploaded; perhaps an upload has begun already.
    No(Option<Session>),
}

impl Repository {
    /// Who takes pushes. FailedPrecondition where nobody may.
    pub async fn pusher(&self) -> Result<Pusher> {
        let host = self.registry.taker().await?;
        Ok(Pusher { repository: self.clone(), full_name: self.full_name().into(), host })
    }
}

impl Pusher {
    /// Whether the repository has `blob`.
    pub async fn has(&self, blob: &Descriptor, budget: &mut Budget) -> Result<bool> {
        let url = self.host.url(&self.repository.name, &["blobs", &blob.digest.to_string()]);
        self.finds(&self.noun(blob), &Request::new(Method::HEAD, url), budget).await
    }

    /// Whether the repository has a manifest or an index, by its digest.
    pub async fn has_manifest(&self, document: &Descriptor, budget: &mut Budget) -> Result<bool> {
        let digest = document.digest.to_string();
        let url = self.host.url(&self.repository.name, &["manifests", &digest]);
        let kind = HeaderValue::from_str(document.media_type.as_str())
            .map_err(|error| Error::invalid("media type").with_source(error))?;
        let request = Request::new(Method::HEAD, url).header(header::ACCEPT, kind);
        self.finds(&self.repository.manifest_noun(&digest), &request, budget).await
    }

    async fn finds(&self, noun: &str, request: &Request, budget: &mut Budget) -> Result<bool> {
        loop {
            let failure = match self.ask(None, noun, request).await {
                Ok(answer) if answer.status().is_success() => return Ok(true),
                // Where it leads, HEAD may not be allowed: then nothing is known.
                Ok(answer) if answer.foreign => return Ok(false),
                Ok(answer) if answer.status() == StatusCode::NOT_FOUND => return Ok(false),
                Ok(answer) => self.refusal(None, noun, answer).await,
                Err(failure) => failure,
            };
            budget.survive(failure).await?;
        }
    }

    /// Takes `blob` over from the repository `from` of the same registry, if that has it and lets us.
    pub async fn mount(
        &self,
        blob: &Descriptor,
        from: &str,
        budget: &mut Budget,
    ) -> Result<Mounted> {
        let noun = self.noun(blob);
        let mut url = self.uploads();
        let digest = blob.digest.to_string();
        url.query_pairs_mut().append_pair("mount", &digest).append_pair("from", from);
        let request =
            Request::new(Method::POST, url).carrying(Payload::Bytes(Bytes::new())).settling();
        loop {
            let failure = match self.ask(Some(from), &noun, &request).await {
                Ok(answer) if answer.status() == StatusCode::CREATED => return Ok(Mounted::Yes),
                Ok(answer) if answer.status() == StatusCode::ACCEPTED => {
                    return Ok(Mounted::No(Session::begun(&noun, &answer).ok()));
                }
                Ok(answer) => self.refusal(Some(from), &noun, answer).await,
                Err(failure) => failure,
            };
            // It was worth asking, and no more: the upload will tell what is wrong.
            if matches!(failure, Failure::Final(_)) {
                return Ok(Mounted::No(None));
            }
            budget.survive(failure).await?;
        }
    }

    /// Uploads `blob`, which `reader` reads: goes on with what `begun` is, or begins. What breaks is
    /// gone on with where the registry says that it stopped.
    ///
    /// # Errors
    /// Those of `reader` as they are.
    pub async fn upload(
        &self,
        blob: &Descriptor,
        reader: Arc<dyn Reader>,
        begun: Option<Session>,
        sent: Sent,
        budget: &mut Budget,
    ) -> Result<()> {
        Upload::new(self, blob, reader, sent).run(begun, budget).await
    }

    /// Takes back what a mount has begun.
    pub async fn cancel(&self, begun: Session) {
        let request = Request::new(Method::DELETE, begun.location);
        // The registry forgets it in time, too.
        let _ = self.ask(None, "upload", &request).await;
    }

    /// Puts a manifest or an index there as `reference`, a tag or its digest.
    pub async fn manifest(
        &self,
        reference: &str,
        media_type: &MediaType,
        bytes: Bytes,
        budget: &mut Budget,
    ) -> Result<()> {
        let noun = self.repository.manifest_noun(reference);
        let digest = Digest::of(&bytes);
        let url = self.host.url(&self.repository.name, &["manifests", reference]);
        let kind = HeaderValue::from_str(media_type.as_str())
            .map_err(|error| Error::invalid("media type").with_source(error))?;
        let request = Request::new(Method::PUT, url)
            .header(header::CONTENT_TYPE, kind)
            .carrying(Payload::Bytes(bytes));
        loop {
            let failure = match self.ask(None, &noun, &request).await {
                Ok(answer) if answer.status().is_success() => {
                    return check(&noun, digest, manifest::digest(&answer));
                }
                Ok(answer) => self.refusal(None, &noun, answer).await,
                Err(failure) => failure,
            };
            budget.survive(failure).await?;
        }
    }

    pub(crate) fn uploads(&self) -> url::Url {
        self.host.url(&self.repository.name, &["blobs", "uploads", ""])
    }

    pub(crate) fn config(&self) -> &crate::Config {
        self.repository.config()
    }

    pub(crate) fn noun(&self, blob: &Descriptor) -> String {
        format!("blob {} of {}", blob.digest, self.full_name)
    }

    /// Sends `request` once and answers whatever comes.
    pub(crate) async fn ask(
        &self,
        from: Option<&str>,
        noun: &str,
        request: &Request,
    ) -> Result<Answer, Failure> {
        let aim = self.repository.aim(Action::Push { from }, &self.full_name, noun);
        Visit::new(self.repository.registry.inner(), &self.host, &aim).ask(request).await
    }

    /// What an answer that is no success means.
    pub(crate) async fn refusal(&self, from: Option<&str>, noun: &str, answer: Answer) -> Failure {
        let aim = self.repository.aim(Action::Push { from }, &self.full_name, noun);
        let visit = Visit::new(self.repository.registry.inner(), &self.host, &aim);
        visit.refusal(answer).await
    }
}

/// A registry that keeps something else than it was given keeps nothing that can be pulled by digest.
fn check(noun: &str, own: Digest, told: Option<Digest>) -> Result<()> {
    match told.filter(|told| *told != own) {
        None => Ok(()),
        Some(told) => {
            let message = format!("{noun}: the registry keeps {told} in place of {own}");
            Err(Error::new(Kind::DataLoss, message))
        }
    }
}
