//! What a reader does about a failed exchange: try again, or give up.

use std::error::Error as StdError;
use std::time::Duration;

use varve_core::{Error, Kind};

/// What to do where a registry answers what none should.
pub const ASK: &str = "check its address, and mirrors in hosts.toml, or ask who runs it";

/// A failed attempt.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// It may well work the next time.
    #[error("{error}")]
    Passing {
        error: Error,
        /// The registry asked to be left alone for so long.
        after: Option<Duration>,
        /// How many of a budget's attempts it uses up.
        cost: u32,
    },
    /// Nobody could be connected to there.
    #[error("{0}")]
    Unreachable(Error),
    /// A mirror fails, and there is another host to ask: neither attempts nor time are spent on it.
    #[error("{error}")]
    Mirror {
        /// The mirror.
        host: String,
        error: Error,
        /// It did not even answer, or so that the answer cannot be taken.
        unreachable: bool,
    },
    /// It fails however often it is tried.
    #[error("{0}")]
    Final(Error),
}

impl Failure {
    /// A failure that may pass.
    pub fn passing(error: Error) -> Self {
        Self::Passing { error, after: None, cost: 1 }
    }

    /// No byte, or hardly one, for the stall limit.
    pub(crate) fn stalled(host: &str, limit: Duration) -> Self {
        Self::passing(Error::new(
            Kind::DeadlineExceeded,
            format!("{host} sent nothing for {} s", limit.as_secs_f64()),
        ))
    }

    /// What went wrong, whatever is done about it.
    pub fn into_error(self) -> Error {
        match self {
            Self::Passing { error, .. } | Self::Mirror { error, .. } => error,
            Self::Unreachable(error) | Self::Final(error) => error,
        }
    }

    /// The same for somebody else who waited for it.
    pub(crate) fn again(&self) -> Self {
        let copy = |error: &Error| {
            let copy = Error::new(error.kind(), error.chain());
            match error.login_at() {
                Some(host) => copy.with_login_at(host),
                None => copy,
            }
        };
        match self {
            Self::Passing { error, after, cost } => {
                Self::Passing { error: copy(error), after: *after, cost: *cost }
            }
            Self::Unreachable(error) => Self::Unreachable(copy(error)),
            Self::Mirror { host, error, unreachable } => {
                Self::Mirror { host: host.clone(), error: copy(error), unreachable: *unreachable }
            }
            Self::Final(error) => Self::Final(copy(error)),
        }
    }

    /// Whether there was no answer, or none that may be taken: a certificate that is not trusted, a
    /// redirect that is refused. The next request would have no other.
    pub(crate) fn is_unreachable(&self) -> bool {
        match self {
            Self::Unreachable(_) => true,
            Self::Passing { error, .. } => error.kind() == Kind::DeadlineExceeded,
            Self::Final(error) => error.kind() == Kind::FailedPrecondition,
            Self::Mirror { unreachable, .. } => *unreachable,
        }
    }

    /// From an error of the HTTP library. Its url is dropped: a redirect's may carry a signature.
    pub(crate) fn from_http(host: &str, error: reqwest::Error) -> Self {
        let (connect, timeout) = (error.is_connect(), error.is_timeout());
        let error = error.without_url();
        if is_untrusted(&error) {
            let message = format!(
                "the certificate of {host} is not trusted; add its authority to the system's \
                 certificate store, or to the host's directory in /etc/varve/certs.d"
            );
            return Self::Final(Error::precondition(message).with_source(error));
        }
        if wants_certificate(&error) {
            let message = format!(
                "{host} does not accept this client's certificate, or its not having one; name one \
                 in the host's directory in /etc/varve/certs.d"
            );
            return Self::Final(Error::precondition(message).with_source(root(&error)));
        }
        if is_not_tls(&error) {
            let message =
                format!("{host} does not speak TLS; if it is a registry, try --plain-http");
            return Self::Final(Error::precondition(message));
        }
        if error.is_builder() || error.is_request() && is_refused_by_us(&error) {
            return Self::Final(
                Error::invalid(format!("{host}: no valid request")).with_source(error),
            );
        }
        let cause = root(&error);
        if connect {
            let what = format!("cannot connect to {host}");
            return Self::Unreachable(Error::unavailable(what).with_source(cause));
        }
        let (kind, what) = match timeout {
            true => (Kind::DeadlineExceeded, format!("{host} took too long")),
            false => (Kind::Unavailable, format!("the connection to {host} broke")),
        };
        Self::passing(Error::new(kind, what).with_source(cause))
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Final(error)
    }
}

/// The innermost cause, in words: the layers of HTTP above it tell a person nothing.
fn root(error: &(dyn StdError + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

/// The TLS error inside `error`. An `io::Error` hides what it wraps from `source`.
pub(crate) fn tls_error<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<rustls::Error>() {
            return Some(found);
        }
        let wrapped = error.downcast_ref::<std::io::Error>().and_then(|io| io.get_ref());
        next = match wrapped {
            Some(inner) => Some(inner as &(dyn StdError + 'static)),
            None => error.source(),
        };
    }
    None
}

/// Whether the peer speaks TLS and its certificate is the trouble.
pub(crate) fn is_untrusted(error: &(dyn StdError + 'static)) -> bool {
    matches!(tls_error(error), Some(rustls::Error::InvalidCertificate(_)))
}

/// Whether the peer ended the handshake because of the certificate that it was shown, or was not.
fn wants_certificate(error: &(dyn StdError + 'static)) -> bool {
    use rustls::AlertDescription as Alert;
    matches!(
        tls_error(error),
        Some(rustls::Error::AlertReceived(
            Alert::CertificateRequired
                | Alert::BadCertificate
                | Alert::UnknownCA
                | Alert::CertificateExpired
                | Alert::CertificateUnknown
        ))
    )
}

/// Whether what the peer answered to the first words of TLS is none of it.
fn is_not_tls(error: &(dyn StdError + 'static)) -> bool {
    let none = rustls::InvalidMessage::InvalidContentType;
    matches!(tls_error(error), Some(rustls::Error::InvalidMessage(message)) if *message == none)
}

fn is_refused_by_us(error: &(dyn StdError + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.downcast_ref::<http::Error>().is_some() {
            return true;
        }
        next = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_untrusted_certificate_is_found_inside_an_io_error() {
        let tls = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        let io = std::io::Error::other(tls);
        let outer = Error::unavailable("x").with_source(std::io::Error::other(io));
        assert!(is_untrusted(&outer));
        assert!(!is_untrusted(&Error::unavailable("x")));
    }

    #[test]
    fn an_answer_that_is_no_tls_is_told_apart_from_broken_tls() {
        let tls = |message| std::io::Error::other(rustls::Error::InvalidMessage(message));
        let plain = tls(rustls::InvalidMessage::InvalidContentType);
        assert!(is_not_tls(&Error::unavailable("x").with_source(plain)));
        let broken = tls(rustls::InvalidMessage::MessageTooLarge);
        assert!(!is_not_tls(&Error::unavailable("x").with_source(broken)));
    }
}
