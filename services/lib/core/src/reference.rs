//! References: the names of images, read as Docker reads them.
//!
//! The grammar is distribution/reference's, the defaults are Docker's: no domain means
//! `docker.io`, one component there means `library/`, neither tag nor digest means `latest`.
//! A [`Reference`] that exists is valid: its parts need no second check before they become part of a
//! URL. Who is asked for it (mirrors, `registry-1.docker.io`) is the registry client's affair.
//!
//! Stricter than distribution/reference where it could only fail later: an IPv6 address must be one,
//! a port must be 1 to 65535, a domain has at most 255 bytes. And `Me/app` is refused for its upper
//! case: newer Dockers take `Me` for a host and look it up, which is never what was meant. A digest
//! alone is refused like an id: the grammar has it as tag of an image called `sha256`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::error::{Error, Result};

mod grammar;

/// The domain where none is given.
pub const DEFAULT_DOMAIN: &str = "docker.io";
/// The tag where neither tag nor digest is given.
pub const DEFAULT_TAG: &str = "latest";
/// What Docker called its registry once; it still means [`DEFAULT_DOMAIN`].
const LEGACY_DOMAIN: &str = "index.docker.io";
/// Where Docker's registry keeps the images that are named by one word.
const OFFICIAL: &str = "library/";

/// A domain, a repository's path in it, and a tag, a digest, or both.
///
/// What [`FromStr`] returns has a tag or a digest; only [`Reference::without_tag`] and
/// [`Reference::without_digest`] can leave neither. Printed in its canonical full form
/// (`docker.io/library/alpine:latest`), which reads back as the same reference.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Reference {
    domain: String,
    path: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl Reference {
    /// The reference that `text` means, and whether its tag is the default because it named none
    /// (Docker prints `Using default tag: latest` then).
    ///
    /// # Errors
    /// InvalidArgument, saying which rule of the grammar is broken.
    pub fn parse_with_default(text: &str) -> Result<(Self, bool)> {
        let mut reference = Self::parse(text).map_err(|why| {
            Error::invalid(format!("invalid reference format: {:?}: {why}", brief(text)))
        })?;
        let defaulted = reference.tag.is_none() && reference.digest.is_none();
        if defaulted {
            reference.tag = Some(DEFAULT_TAG.to_owned());
        }
        Ok((reference, defaulted))
    }

    fn parse(text: &str) -> Result<Self, String> {
        grammar::check_whole(text)?;
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (text, None),
        };
        let (domain, remote) = split_domain(rest);
        let (path, tag) = match remote.split_once(':') {
            Some((path, tag)) => (path, Some(tag)),
            None => (remote, None),
        };
        grammar::check_domain(domain)?;
        grammar::check_path(path)?;
        let path = expand(domain, path);
        grammar::check_length(&path)?;
        tag.map_or(Ok(()), grammar::check_tag)?;
        let digest =
            digest.map(str::parse).transpose().map_err(|e: Error| e.message().to_owned())?;
        Ok(Self { domain: domain.to_owned(), path, tag: tag.map(str::to_owned), digest })
    }

    /// `docker.io`, `127.0.0.1:5000`, `[::1]:5000`.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The repository's path at its registry: `library/alpine`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The tag, given or defaulted.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest that the manifest must have. Where there is a tag too, the digest decides.
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// Domain and path: `docker.io/library/alpine`.
    pub fn repository(&self) -> String {
        format!("{}/{}", self.domain, self.path)
    }

    /// As Docker shows it: `alpine:latest`. Reads back as the same reference, so the domain stays
    /// where leaving it out would name something else (`docker.io/a.b/c`).
    pub fn familiar(&self) -> String {
        let text = self.suffixed(self.familiar_repository());
        if grammar::is_bare_id(&text) { self.to_string() } else { text }
    }

    /// The repository as Docker shows it: `alpine`.
    pub fn familiar_repository(&self) -> String {
        if self.domain != DEFAULT_DOMAIN {
            return self.repository();
        }
        let short = match self.path.strip_prefix(OFFICIAL) {
            Some(name) if !name.contains('/') => name,
            _ => &self.path,
        };
        let (domain, path) = split_domain(short);
        if domain == self.domain && expand(domain, path) == self.path {
            short.to_owned()
        } else {
            self.repository()
        }
    }

    /// The same with another tag; a digest stays.
    ///
    /// # Errors
    /// InvalidArgument where `tag` is none.
    pub fn with_tag(&self, tag: &str) -> Result<Self> {
        grammar::check_tag(tag).map_err(|why| {
            Error::invalid(format!("tag {:?} of {}: {why}", brief(tag), self.repository()))
        })?;
        Ok(Self { tag: Some(tag.to_owned()), ..self.clone() })
    }

    /// The same with a digest; a tag stays.
    pub fn with_digest(&self, digest: Digest) -> Self {
        Self { digest: Some(digest), ..self.clone() }
    }

    /// The same without its tag. Without a digest either it prints as its repository, which would
    /// be read as the tag `latest`.
    pub fn without_tag(&self) -> Self {
        Self { tag: None, ..self.clone() }
    }

    /// The same without its digest; see [`Reference::without_tag`] where there is no tag either.
    pub fn without_digest(&self) -> Self {
        Self { digest: None, ..self.clone() }
    }

    fn suffixed(&self, mut text: String) -> String {
        if let Some(tag) = &self.tag {
            text.push(':');
            text.push_str(tag);
        }
        if let Some(digest) = self.digest {
            text.push('@');
            text.push_str(&digest.to_string());
        }
        text
    }
}

/// The domain, and all that follows it. The first component is a domain if it cannot be part of a
/// path on Docker's registry: it has a dot or a colon, or is `localhost`.
fn split_domain(text: &str) -> (&str, &str) {
    match text.split_once('/') {
        Some((LEGACY_DOMAIN, rest)) => (DEFAULT_DOMAIN, rest),
        Some((first, rest)) if looks_like_a_domain(first) => (first, rest),
        _ => (DEFAULT_DOMAIN, text),
    }
}

fn looks_like_a_domain(first: &str) -> bool {
    first == "localhost" || first.contains(['.', ':'])
}

/// The path in full: a single word on Docker's registry is one of its official images.
fn expand(domain: &str, path: &str) -> String {
    if domain == DEFAULT_DOMAIN && !path.contains('/') {
        format!("{OFFICIAL}{path}")
    } else {
        path.to_owned()
    }
}

/// Enough of `text` to recognise it in a message.
fn brief(text: &str) -> String {
    const MOST: usize = 300;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

impl FromStr for Reference {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        Ok(Self::parse_with_default(text)?.0)
    }
}

impl TryFrom<String> for Reference {
    type Error = Error;
    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Reference> for String {
    fn from(reference: Reference) -> Self {
        reference.to_string()
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.suffixed(self.repository()))
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests;
