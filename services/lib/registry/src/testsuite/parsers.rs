//! Ways to the readers of what registries and people write, for the fuzzing of them.

use std::path::Path;
use std::time::Duration;

use http::HeaderMap;
use varve_core::Result;

use crate::challenge::Challenge;
use crate::docker_config::{file, helper};
use crate::{blob, hosts, page, refusal, retry, token};

/// Realm, service and scope of the Bearer challenge that is met; empty for Basic; `None` for no challenge.
pub fn challenge(headers: &HeaderMap, wanted: &str) -> Option<[String; 3]> {
    Some(match Challenge::choose(headers)?.asking(|theirs| format!("{theirs}{wanted}")) {
        Challenge::Basic => Default::default(),
        Challenge::Bearer { realm, service, scope } => [realm.into(), service, scope],
    })
}

/// The target of the next page's link.
pub fn link(header: &str) -> Option<&str> {
    page::link(header)
}

/// Whether a Content-Range is from `offset` to the end, of a whole of `size` bytes.
pub fn is_range(header: &str, offset: u64, size: u64) -> bool {
    blob::is_from(header, offset, size)
}

/// What Retry-After asks to wait.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    retry::retry_after(headers)
}

/// Whether a token server's answer has an identity token; `None` where it has no token.
pub fn token(body: &[u8]) -> Option<bool> {
    token::has_identity(body)
}

/// What a refusal's body says, for a person's terminal.
pub fn refusal(body: &[u8]) -> String {
    refusal::said(body)
}

/// How many hosts a hosts.toml in `directory` has.
///
/// # Errors
/// InvalidArgument with file and key.
pub fn hosts(directory: &Path, text: &str) -> Result<usize> {
    hosts::parse(&directory.join("hosts.toml"), text).map(|entries| entries.len())
}

/// Whether a credential helper's answer is a login.
pub fn helper(said: &[u8], host: &str) -> bool {
    matches!(helper::read(said, host), Ok(Some(_)))
}

/// What `config.json` is once the login of `host` is taken out of it; `None` where it cannot be read.
pub fn without_login(config: &[u8], host: &str) -> Option<String> {
    file::without(config, host)
}
