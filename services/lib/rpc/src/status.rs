//! Kinds of error over gRPC and back: the one file that names its codes.
//!
//! The set of kinds is gRPC's own, so every one survives the trip. The message is the whole chain,
//! since sources stay in their process.

use std::error::Error as _;

use tonic::metadata::MetadataMap;
use tonic::{Code, Status};
use varve_core::{Error, Kind};

/// The host that a login is missing for.
const LOGIN_AT: &str = "varve-login-at";

/// What a server answers.
pub fn to_status(error: Error) -> Status {
    let mut metadata = MetadataMap::new();
    if let Some(Ok(host)) = error.login_at().map(str::parse) {
        metadata.insert(LOGIN_AT, host);
    }
    Status::with_metadata(code(error.kind()), error.chain(), metadata)
}

/// What a client's caller is told. A status that has a source was not sent by a server: the
/// connection could not be made, or broke.
pub fn from_status(status: Status) -> Error {
    if let Some(why) = root_cause(&status) {
        let message = "the service does not answer, or went away in the middle";
        return Error::unavailable(format!("{message}: {why}"));
    }
    let error = Error::new(kind(status.code()), status.message());
    match status.metadata().get(LOGIN_AT).and_then(|host| host.to_str().ok()) {
        Some(host) => error.with_login_at(host),
        None => error,
    }
}

/// What is at the bottom of a status that no server sent; what is between repeats it.
fn root_cause(status: &Status) -> Option<String> {
    let mut cause = status.source()?;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    Some(cause.to_string())
}

fn code(kind: Kind) -> Code {
    match kind {
        Kind::InvalidArgument => Code::InvalidArgument,
        Kind::NotFound => Code::NotFound,
        Kind::AlreadyExists => Code::AlreadyExists,
        Kind::FailedPrecondition => Code::FailedPrecondition,
        Kind::OutOfRange => Code::OutOfRange,
        Kind::Aborted => Code::Aborted,
        Kind::Unavailable => Code::Unavailable,
        Kind::Unimplemented => Code::Unimplemented,
        Kind::PermissionDenied => Code::PermissionDenied,
        Kind::Unauthenticated => Code::Unauthenticated,
        Kind::ResourceExhausted => Code::ResourceExhausted,
        Kind::DataLoss => Code::DataLoss,
        Kind::Cancelled => Code::Cancelled,
        Kind::DeadlineExceeded => Code::DeadlineExceeded,
        Kind::Internal => Code::Internal,
    }
}

/// containerd answers Unknown for whatever it has no code for.
fn kind(code: Code) -> Kind {
    match code {
        Code::InvalidArgument => Kind::InvalidArgument,
        Code::NotFound => Kind::NotFound,
        Code::AlreadyExists => Kind::AlreadyExists,
        Code::FailedPrecondition => Kind::FailedPrecondition,
        Code::OutOfRange => Kind::OutOfRange,
        Code::Aborted => Kind::Aborted,
        Code::Unavailable => Kind::Unavailable,
        Code::Unimplemented => Kind::Unimplemented,
        Code::PermissionDenied => Kind::PermissionDenied,
        Code::Unauthenticated => Kind::Unauthenticated,
        Code::ResourceExhausted => Kind::ResourceExhausted,
        Code::DataLoss => Kind::DataLoss,
        Code::Cancelled => Kind::Cancelled,
        Code::DeadlineExceeded => Kind::DeadlineExceeded,
        Code::Internal | Code::Unknown | Code::Ok => Kind::Internal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [Kind; 15] = [
        Kind::InvalidArgument,
        Kind::NotFound,
        Kind::AlreadyExists,
        Kind::FailedPrecondition,
        Kind::OutOfRange,
        Kind::Aborted,
        Kind::Unavailable,
        Kind::Unimplemented,
        Kind::PermissionDenied,
        Kind::Unauthenticated,
        Kind::ResourceExhausted,
        Kind::DataLoss,
        Kind::Cancelled,
        Kind::DeadlineExceeded,
        Kind::Internal,
    ];

    #[test]
    fn every_kind_survives_the_trip_with_its_chain() {
        for kind in KINDS {
            let error = Error::new(kind, "inner").context("outer");
            let back = from_status(to_status(error));
            assert_eq!((back.kind(), back.message()), (kind, "outer: inner"));
        }
    }

    #[test]
    fn the_host_of_a_missing_login_survives_the_trip() {
        let error = Error::new(Kind::Unauthenticated, "x").with_login_at("mirror.example:5000");
        let back = from_status(to_status(error));
        assert_eq!(back.login_at(), Some("mirror.example:5000"));
        assert_eq!(from_status(to_status(Error::invalid("x"))).login_at(), None);
    }

    #[test]
    fn a_broken_connection_is_unavailable_whatever_code_it_has() {
        let broken = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        let status = Status::from_error(Box::new(broken));
        assert_eq!(from_status(status).kind(), Kind::Unavailable);
    }
}
