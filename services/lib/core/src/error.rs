//! The one error that crosses a trait.
//!
//! Inside a module an enum of its own says what a reader there would do differently; at a trait it
//! becomes this, with a [`Kind`] from a closed set that survives the trip over the wire.

use std::error::Error as StdError;
use std::fmt;

/// What the caller can do about it. The set is gRPC's, so that nothing is lost between processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The request can never succeed as it is.
    InvalidArgument,
    /// The noun is not here.
    NotFound,
    /// The noun is here already.
    AlreadyExists,
    /// The noun is in a state that forbids this (digest mismatch, children left, in use).
    FailedPrecondition,
    /// An offset beyond what there is.
    OutOfRange,
    /// Overtaken by something else; the same request may succeed when begun anew.
    Aborted,
    /// Not now: locked by another, or a peer is away. Try again.
    Unavailable,
    /// Not something this server does.
    Unimplemented,
    /// The credential is good, and not enough.
    PermissionDenied,
    /// A credential is missing or wrong.
    Unauthenticated,
    /// A limit of this configuration, or the disk, is exhausted.
    ResourceExhausted,
    /// Stored bytes are lost or damaged.
    DataLoss,
    /// The caller went away.
    Cancelled,
    /// It took longer than its limit.
    DeadlineExceeded,
    /// A defect of ours or of the machine.
    Internal,
}

/// An error at a trait: its kind, a sentence with the noun in it, and what caused it.
///
/// `Display` prints the sentence alone and never repeats the source; [`Error::chain`] prints both.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
    /// What a caller must be able to read off without parsing a sentence.
    login_at: Option<Box<str>>,
}

/// The result of every trait method.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of `kind` with its sentence.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None, login_at: None }
    }

    /// The same error with what caused it.
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The same error, saying that a login at `host` may help: none came with the request.
    pub fn with_login_at(mut self, host: impl Into<Box<str>>) -> Self {
        self.login_at = Some(host.into());
        self
    }

    /// Wraps this error in a sentence that adds a noun; the kind stays.
    pub fn context(self, message: impl Into<String>) -> Self {
        let (kind, login_at) = (self.kind, self.login_at.clone());
        Self { kind, message: message.into(), source: Some(Box::new(self)), login_at }
    }

    /// What the caller can do about it.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The host, as a reference or a url spells it, that a login is missing for. Whoever has one asks
    /// again with it; the kind need not be Unauthenticated, as another host may have been asked last.
    pub fn login_at(&self) -> Option<&str> {
        self.login_at.as_deref()
    }

    /// The sentence, without its source.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// `message: source: source…`, for logs and for people.
    pub fn chain(&self) -> String {
        let mut text = self.message.clone();
        let mut next = self.source();
        while let Some(error) = next {
            text.push_str(": ");
            text.push_str(&error.to_string());
            next = error.source();
        }
        text
    }

    /// An operating system error about `noun` (a path, a device), with the kind that it deserves.
    pub fn io(noun: impl fmt::Display, error: std::io::Error) -> Self {
        use std::io::ErrorKind as Io;
        let kind = match error.kind() {
            Io::NotFound => Kind::NotFound,
            Io::PermissionDenied | Io::ReadOnlyFilesystem => Kind::PermissionDenied,
            Io::StorageFull | Io::QuotaExceeded | Io::FileTooLarge => Kind::ResourceExhausted,
            Io::TimedOut => Kind::DeadlineExceeded,
            Io::IsADirectory | Io::NotADirectory | Io::InvalidData => Kind::InvalidArgument,
            _ => Kind::Internal,
        };
        Self::new(kind, noun.to_string()).with_source(error)
    }

    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Kind::InvalidArgument, message)
    }

    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(Kind::NotFound, message)
    }

    pub fn already_exists(message: impl Into<String>) -> Self {
        Self::new(Kind::AlreadyExists, message)
    }

    pub fn precondition(message: impl Into<String>) -> Self {
        Self::new(Kind::FailedPrecondition, message)
    }

    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(Kind::Unavailable, message)
    }

    pub fn aborted(message: impl Into<String>) -> Self {
        Self::new(Kind::Aborted, message)
    }

    pub fn data_loss(message: impl Into<String>) -> Self {
        Self::new(Kind::DataLoss, message)
    }

    pub fn exhausted(message: impl Into<String>) -> Self {
        Self::new(Kind::ResourceExhausted, message)
    }

    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(Kind::Internal, message)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// Questions that callers ask of a result more often than of an error.
pub trait ResultExt<T> {
    /// `Ok(None)` where the noun was not found.
    fn found(self) -> Result<Option<T>>;
    /// `Ok(None)` where the noun was there already.
    fn unless_exists(self) -> Result<Option<T>>;
    /// Adds a sentence to the error, if there is one.
    fn context(self, message: impl FnOnce() -> String) -> Result<T>;
}

impl<T> ResultExt<T> for Result<T> {
    fn found(self) -> Result<Option<T>> {
        none_if(self, Kind::NotFound)
    }

    fn unless_exists(self) -> Result<Option<T>> {
        none_if(self, Kind::AlreadyExists)
    }

    fn context(self, message: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| error.context(message()))
    }
}

fn none_if<T>(result: Result<T>, kind: Kind) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == kind => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_never_repeats_the_source_and_the_chain_prints_it_once() {
        let error = Error::not_found("blob sha256:ab").context("layer 3 of alpine");
        assert_eq!(error.to_string(), "layer 3 of alpine");
        assert_eq!(error.chain(), "layer 3 of alpine: blob sha256:ab");
        assert_eq!(error.kind(), Kind::NotFound);
    }

    #[test]
    fn the_host_of_a_missing_login_survives_any_context() {
        let error = Error::new(Kind::Unauthenticated, "wants a login").with_login_at("h:5000");
        assert_eq!(error.context("layer 3").context("alpine").login_at(), Some("h:5000"));
        assert_eq!(Error::invalid("x").context("y").login_at(), None);
    }

    #[test]
    fn a_full_disk_is_a_limit_and_not_a_defect() {
        let full = std::io::Error::from_raw_os_error(28);
        assert_eq!(Error::io("blobs", full).kind(), Kind::ResourceExhausted);
    }
}
