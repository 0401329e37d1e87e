//! The grammar of a reference's parts, each with the reason why a text is refused.
//!
//! distribution/reference: `path-component := alnum (separator alnum)*`, `separator := [._] | __ |
//! -+`, `tag := [\w][\w.-]{0,127}`, `domain := (domain-name | IPv4 | '[' IPv6 ']') [':' port]`.

use std::net::Ipv6Addr;

use crate::digest::Digest;

/// Most bytes of a repository's path, and of a domain.
const MAX_NAME: usize = 255;
/// Most bytes of a tag.
const MAX_TAG: usize = 128;
/// More bytes than domain, path, tag and digest have together.
const MAX_TEXT: usize = 1024;

type Check = Result<(), String>;

/// What can be said of the text before it is taken apart.
pub(super) fn check_whole(text: &str) -> Check {
    if text.is_empty() {
        return refuse("repository name must have at least one component");
    }
    if text.len() > MAX_TEXT {
        return refuse("is longer than 1024 bytes");
    }
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return refuse("has white space or control characters in it");
    }
    if text.contains("://") {
        return refuse("a reference has no scheme: leave out everything up to \"://\"");
    }
    if is_bare_id(text) {
        return refuse(
            "is an image id or a digest: cannot specify 64-byte hexadecimal strings; \
             want NAME, NAME:TAG or NAME@sha256:…",
        );
    }
    Ok(())
}

/// Whether a text is 64 hex digits, or these as a digest: ids, and no names.
pub(super) fn is_bare_id(text: &str) -> bool {
    let hex = text.strip_prefix("sha256:").unwrap_or(text);
    format!("sha256:{hex}").parse::<Digest>().is_ok()
}

pub(super) fn check_domain(domain: &str) -> Check {
    if domain.len() > MAX_NAME {
        return refuse("domain must not be more than 255 characters");
    }
    let (host, port) = match domain.rfind(']') {
        Some(end) if domain.starts_with('[') => domain.split_at(end + 1),
        _ => domain.split_at(domain.find(':').unwrap_or(domain.len())),
    };
    check_host(host)?;
    match port.strip_prefix(':') {
        None if port.is_empty() => Ok(()),
        Some(number) if is_port(number) => Ok(()),
        _ => Err(format!("domain {domain:?}: the port must be a number from 1 to 65535")),
    }
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit()) && text.parse::<u16>().is_ok_and(|port| port > 0)
}

fn check_host(host: &str) -> Check {
    if let Some(inner) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        // Neither a zone nor a dotted quad: the grammar leaves them out.
        let plain = inner.bytes().all(|b| b.is_ascii_hexdigit() || b == b':');
        return match plain && inner.parse::<Ipv6Addr>().is_ok() {
            true => Ok(()),
            false => Err(format!("domain {host:?}: not an IPv6 address in brackets")),
        };
    }
    let component = |part: &str| {
        let edge = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
        let bytes = part.as_bytes();
        edge(bytes.first())
            && edge(bytes.last())
            && bytes.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'-')
    };
    match host.split('.').all(component) {
        true => Ok(()),
        false => Err(format!("domain {host:?}: want letters, digits and inner '-' between dots")),
    }
}

pub(super) fn check_path(path: &str) -> Check {
    if path.chars().any(char::is_uppercase) {
        return Err(format!("repository name ({}) must be lowercase", super::brief(path)));
    }
    path.split('/').try_for_each(check_component)
}

fn check_component(component: &str) -> Check {
    if component.is_empty() {
        return refuse("repository name has an empty component");
    }
    let alnum = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = component.as_bytes();
    let edges = bytes.first().is_some_and(alnum) && bytes.last().is_some_and(alnum);
    // What stands between runs of letters and digits.
    let mut separators = component
        .split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        .filter(|separator| !separator.is_empty());
    let allowed = |s: &str| matches!(s, "." | "_" | "__") || s.bytes().all(|b| b == b'-');
    match edges && separators.all(allowed) {
        true => Ok(()),
        false => Err(format!(
            "repository name component {:?}: want lowercase letters and digits, joined by one '.', \
             one or two '_', or '-'",
            super::brief(component)
        )),
    }
}

pub(super) fn check_length(path: &str) -> Check {
    match path.len() <= MAX_NAME {
        true => Ok(()),
        false => refuse("repository name must not be more than 255 characters"),
    }
}

pub(super) fn check_tag(tag: &str) -> Check {
    if tag.is_empty() {
        return refuse("tag is empty");
    }
    if tag.len() > MAX_TAG {
        return refuse("tag must not be more than 128 characters");
    }
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    match !tag.starts_with(['.', '-']) && tag.bytes().all(|b| word(b) || matches!(b, b'.' | b'-')) {
        true => Ok(()),
        false => {
            refuse("tag must be letters, digits, '_', '.' and '-', not starting with '.' or '-'")
        }
    }
}

fn refuse(why: &str) -> Check {
    Err(why.to_owned())
}
