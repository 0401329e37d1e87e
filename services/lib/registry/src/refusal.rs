//! Answers that are no success, in words: what the registry says of itself, quoted and capped, with
//! what was asked for and what to do about it.

use http::StatusCode;
use serde::Deserialize;
use varve_core::{Error, Kind};

use crate::action::Action;
use crate::body::Body;
use crate::exchange::Answer;
use crate::failure::Failure;
use crate::retry;

/// Bytes of an error's body that are read.
const CAP: usize = 8 << 10;
/// Characters of a registry's text that are shown.
const SHOWN: usize = 400;

/// distribution-spec, *Error Codes*.
#[derive(Deserialize)]
struct Errors {
    #[serde(default)]
    errors: Vec<Entry>,
    /// Token servers, and some proxies, say it so.
    #[serde(default)]
    details: String,
    #[serde(default, rename = "error_description")]
    description: String,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

/// What was asked of whom.
pub(crate) struct Asked<'a> {
    /// `manifest for docker.io/library/x:1`.
    pub noun: &'a str,
    pub action: Action<'a>,
    /// `docker.io/library/x`.
    pub repository: &'a str,
    /// The host, which a login is for: the reference's, or its mirror.
    pub host: &'a str,
    /// Whether a login came with the request.
    pub login: bool,
}

impl Asked<'_> {
    /// Says where the login is missing, if one is.
    pub(crate) fn wanting_login(&self, error: Error) -> Error {
        match error.kind() {
            Kind::Unauthenticated if !self.login => error.with_login_at(self.host),
            _ => error,
        }
    }
}

/// Reads the rest of `answer` and says what it means.
pub(crate) async fn refusal(
    asked: &Asked<'_>,
    answer: Answer,
    stall: std::time::Duration,
) -> Failure {
    let status = answer.status();
    let after = retry::retry_after(answer.headers());
    let text = said(&Body::new(answer, stall).head(CAP).await);
    let error = Error::new(kind(status), sentence(asked, status, &text));
    let error = asked.wanting_login(error);
    match passes(status) {
        true => Failure::Passing { error, after, cost: 1 },
        false => Failure::Final(error),
    }
}

/// Whether it may be another the next time. Servers in front of registries have many of their own (520 to
/// 530 are Cloudflare's); few say that it will never work.
fn passes(status: StatusCode) -> bool {
    match status.as_u16() {
        408 | 425 | 429 => true,
        501 | 505 | 507 | 508 | 510 | 511 => false,
        _ => status.is_server_error(),
    }
}

fn kind(status: StatusCode) -> Kind {
    match status.as_u16() {
        401 => Kind::Unauthenticated,
        403 => Kind::PermissionDenied,
        404 | 410 => Kind::NotFound,
        400 | 405 | 406 | 414 => Kind::InvalidArgument,
        416 => Kind::OutOfRange,
        408 => Kind::DeadlineExceeded,
        _ => Kind::Unavailable,
    }
}

/// In Docker's words, where Docker has some.
fn sentence(asked: &Asked<'_>, status: StatusCode, text: &str) -> String {
    let Asked { noun, action, repository, host, login } = asked;
    let denied = denied(*action);
    let because = if text.is_empty() { String::new() } else { format!(": {text}") };
    match status.as_u16() {
        401 if matches!(action, Action::Login) => format!(
            "{host} does not accept the login{because}; check the user name and the password, or \
             whether it wants an access token in its place"
        ),
        401 if *login => format!("{noun}: {host} does not accept the login{because}; log in again"),
        401 if matches!(action, Action::Pull) => format!(
            "{denied} for {repository}, repository does not exist or may require a login at \
             {host}{because}"
        ),
        401 => format!(
            "{denied} for {repository}{because}; log in (`varve login {host}`) and try again"
        ),
        403 => {
            let because = if text.is_empty() {
                ": requested access to the resource is denied"
            } else {
                &because
            };
            format!("{denied} for {repository} at {host}{because}")
        }
        _ if matches!(action, Action::Push { .. }) => unwritten(asked, status, &because),
        404 => format!("{noun} not found{because}"),
        429 => format!("{noun}: {host} has had too many requests{because}"),
        _ => format!("{noun}: {host} answered {status}{because}"),
    }
}

/// What is not allowed, in Docker's words where it has some.
pub(crate) fn denied(action: Action<'_>) -> &'static str {
    match action {
        Action::Pull => "pull access denied",
        Action::Push { .. } => "push access denied",
        Action::Login => "login denied",
        Action::List => "access to the list of repositories denied",
    }
}

/// Why something could not be written, with what to do about it where that is known.
fn unwritten(asked: &Asked<'_>, status: StatusCode, because: &str) -> String {
    let Asked { noun, repository, host, .. } = asked;
    let hint = match status.as_u16() {
        404 => format!("; if there is no {repository} at {host}, make it there first"),
        405 | 501 => "; it takes no pushes: a mirror, or read-only".into(),
        409 => "; perhaps its tags may not be moved: push another tag".into(),
        413 => "; it, or a proxy before it, takes no body of that size: have that limit raised \
                (nginx: client_max_body_size)"
            .into(),
        429 => "; wait, then push again: what has been pushed stays".into(),
        _ => String::new(),
    };
    format!("{noun}: {host} answered {status}{because}{hint}")
}

/// The messages of an error's body: the registry's own, or, where it has none of its form, nothing
/// (a proxy's HTML page helps nobody).
pub(crate) fn said(body: &[u8]) -> String {
    let Ok(read) = serde_json::from_slice::<Errors>(body) else {
        return String::new();
    };
    let mut said: Vec<String> = read
        .errors
        .into_iter()
        .map(|Entry { code, message }| match message.is_empty() {
            true => code.to_lowercase().replace('_', " "),
            false => message,
        })
        .chain([read.details, read.description])
        .filter(|text| !text.is_empty())
        .collect();
    said.dedup();
    printable(&said.join("; "))
}

/// Text of others for a person's terminal: no control characters, no end.
pub(crate) fn printable(text: &str) -> String {
    let clean = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut shown: String = clean.clone().take(SHOWN).collect();
    if clean.count() > SHOWN {
        shown.push('…');
    }
    shown.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(login: bool) -> Asked<'static> {
        let (noun, action) = ("manifest for h/x:1", Action::Pull);
        Asked { noun, action, repository: "h/x", host: "h", login }
    }

    #[test]
    fn a_missing_manifest_is_told_in_dockers_words() {
        let text =
            said(br#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#);
        let told = sentence(&asked(false), StatusCode::NOT_FOUND, &text);
        assert_eq!(told, "manifest for h/x:1 not found: manifest unknown");
    }

    #[test]
    fn a_missing_login_names_the_host_and_a_bad_one_is_called_bad() {
        let missing = sentence(&asked(false), StatusCode::UNAUTHORIZED, "");
        assert!(missing.contains("may require a login at h"), "{missing}");
        let bad = sentence(&asked(true), StatusCode::UNAUTHORIZED, "");
        assert!(bad.contains("does not accept the login"), "{bad}");
    }

    #[test]
    fn a_push_that_is_refused_tells_what_to_do() {
        let push = Asked { action: Action::Push { from: None }, ..asked(false) };
        for (status, told) in [
            (401, "push access denied for h/x; log in (`varve login h`) and try again"),
            (403, "push access denied for h/x at h"),
            (404, "make it there first"),
            (405, "it takes no pushes"),
            (413, "client_max_body_size"),
        ] {
            let sentence = sentence(&push, StatusCode::from_u16(status).unwrap(), "");
            assert!(sentence.contains(told), "{sentence}");
        }
    }

    #[test]
    fn a_registrys_text_is_capped_and_cannot_drive_a_terminal() {
        let long = format!(r#"{{"errors":[{{"message":"\u001b[2J{}"}}]}}"#, "x".repeat(5000));
        let text = said(long.as_bytes());
        assert!(text.chars().count() <= SHOWN + 1 && !text.contains('\u{1b}'), "{text}");
        assert_eq!(said(b"<html>"), "");
        assert_eq!(said(br#"{"errors":[{"code":"NAME_UNKNOWN"}]}"#), "name unknown");
    }
}
