//! How a command fails: what is said, and the exit status.

use std::process::ExitCode;

use varve_core::{Error, Kind};

use crate::container::runtime::OWN;

/// Why a command stopped before its end.
#[derive(Debug)]
pub enum Failure {
    /// Something failed: its chain is printed, status 1.
    Error(Error),
    /// What is wrong is told on stdout already: nothing more is said, status 1.
    Told,
    /// A container's program cannot be run, or not by us: the chain is printed, with that status.
    Refused { error: Error, status: u8 },
    /// A container's program has ended so: nothing is said, its status is ours.
    Ended(u8),
    /// Whoever read our output went away: nothing is said, status 141 as if SIGPIPE had come.
    Pipe,
    /// A signal came: status 130.
    Interrupted {
        /// Whether running the same command again goes on where this one stopped.
        resumes: bool,
    },
}

pub type Result<T, E = Failure> = std::result::Result<T, E>;

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// The status of a container's program as our own.
pub fn ended(status: u8) -> Result<()> {
    if status == 0 { Ok(()) } else { Err(Failure::Ended(status)) }
}

impl Failure {
    /// The same, told from a program's own failure by its status.
    pub fn own(self) -> Self {
        match self {
            Self::Error(error) => Self::Refused { error, status: OWN },
            other => other,
        }
    }

    /// What goes to stderr, if anything does.
    pub fn message(&self) -> Option<String> {
        match self {
            Self::Error(error) | Self::Refused { error, .. } => {
                Some(format!("varve: {}", sentence(error)))
            }
            Self::Told | Self::Pipe | Self::Ended(_) => None,
            Self::Interrupted { resumes: true } => Some(
                "Interrupted: run the same command again to resume; what was downloaded is kept"
                    .into(),
            ),
            Self::Interrupted { resumes: false } => Some("Interrupted".into()),
        }
    }

    pub fn status(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Error(_) | Self::Told => 1,
            Self::Refused { status, .. } | Self::Ended(status) => *status,
            Self::Pipe => 141,
            Self::Interrupted { .. } => 130,
        })
    }
}

/// The chain, and a next step where the kind alone tells one and the chain gives none.
fn sentence(error: &Error) -> String {
    let chain = error.chain();
    let told = [";", " again", ": there is "].iter().any(|word| chain.contains(word));
    match next_step(error.kind(), &chain) {
        Some(step) if !told => format!("{chain}; {step}"),
        _ => chain,
    }
}

/// Adds a noun to an error that does not name it yet.
pub fn about(noun: impl Fn() -> String) -> impl Fn(Error) -> Error {
    move |error| {
        let noun = noun();
        if error.chain().contains(&noun) { error } else { error.context(noun) }
    }
}

fn next_step(kind: Kind, chain: &str) -> Option<&'static str> {
    Some(match kind {
        Kind::NotFound if chain.contains("os error") => "check the path",
        Kind::InvalidArgument if chain.contains("os error") => "check the path",
        Kind::InvalidArgument if chain.ends_with("valid UTF-8") => "want a text file",
        Kind::NotFound => "check the name",
        Kind::Unavailable => "check the name and the network, then run the same command again",
        Kind::DeadlineExceeded | Kind::Aborted => "run the same command again",
        Kind::Unauthenticated => "run `varve login` for that registry and try again",
        Kind::PermissionDenied if chain.contains("(os error 30)") => {
            "have it mounted read-write, or give another --root"
        }
        Kind::PermissionDenied => "check who may do this, or run as root",
        Kind::DataLoss => "pull the image again",
        Kind::ResourceExhausted => "make room: `varve gc` removes what nothing uses",
        Kind::Internal if chain.contains("(os error 24)") => "raise the limit: `ulimit -n`",
        Kind::Internal => "run with --log debug to see more",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_noun_is_told_once() {
        let about = about(|| "layer ab".to_owned());
        let told = about(Error::invalid("layer ab: bad")).chain();
        assert_eq!(told, "layer ab: bad");
        assert_eq!(about(Error::invalid("bad")).chain(), "layer ab: bad");
    }

    #[test]
    fn a_message_is_the_chain_with_one_next_step() {
        let error = Error::unavailable("connection refused").context("registry h:5000");
        let message = Failure::from(error).message().unwrap();
        assert_eq!(
            message,
            "varve: registry h:5000: connection refused; check the name and the network, then run \
             the same command again"
        );
        for told in ["locked; wait for it", "cut off: pull again to resume"] {
            let message = Failure::from(Error::unavailable(told)).message().unwrap();
            assert_eq!(message, format!("varve: {told}"));
        }
    }
}
