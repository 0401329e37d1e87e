//! Filters: which nouns a List returns, in containerd's language.
//!
//! ```text
//! filter    := selector (',' selector)*            all must hold
//! selector  := fieldpath [operator value]          a bare path asks for presence
//! fieldpath := field ('.' field)*
//! field     := quoted | [A-Za-z0-9_-]+
//! operator  := '==' | '!=' | '~='
//! value     := quoted | [^\s,]+
//! quoted    := '"' Go string '"'                   after '~=' also between '|' or '/'
//! ```
//!
//! A list of filters holds if any of them does; an empty list, or an empty filter, always. An
//! absent field has the empty value: `!=` holds for it, and so does a regular expression that
//! matches nothing. Two differences from containerd: white space may stand between any two tokens,
//! and a regular expression that cannot be compiled is an error instead of matching nothing. In it
//! `\d`, `\w`, `\s` and `\b` are Unicode's, in Go's ASCII's.
//!
//! Which fields a noun has is its own affair ([`Fields`]); a field that it does not have is absent.

use std::borrow::Cow;

use regex::Regex;

use crate::error::{Error, Result};
use crate::labels::Labels;

mod parser;
mod quote;

/// Most filters in a list.
const MAX_FILTERS: usize = 256;

/// A noun that can be filtered.
pub trait Fields {
    /// The value of a field, `None` where the noun has no such field. containerd's nouns count an
    /// empty value as absent (`name`, `parent`), except that of a label; see [`present`].
    fn field(&self, path: &[&str]) -> Option<Cow<'_, str>>;
}

impl<T: Fields + ?Sized> Fields for &T {
    fn field(&self, path: &[&str]) -> Option<Cow<'_, str>> {
        (**self).field(path)
    }
}

/// A field whose empty value means that it is absent.
pub fn present(value: &str) -> Option<Cow<'_, str>> {
    (!value.is_empty()).then_some(Cow::Borrowed(value))
}

/// The label that the rest of a path names, after `labels`. Its parts are joined by dots again, so
/// that `labels.a.b` and `labels."a.b"` are the same.
///
/// ```
/// # use varve_core::{filter, Labels};
/// let labels = Labels::from([("a.b".to_owned(), "1".to_owned())]);
/// assert_eq!(filter::label(&labels, &["a", "b"]).as_deref(), Some("1"));
/// ```
pub fn label<'a>(labels: &'a Labels, rest: &[&str]) -> Option<Cow<'a, str>> {
    labels.get(&rest.join(".")).map(|value| Cow::Borrowed(value.as_str()))
}

/// A list of filters, parsed and compiled. The default matches everything.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Any of these; none at all means everything.
    any: Vec<Vec<Selector>>,
}

#[derive(Clone, Debug)]
struct Selector {
    path: Vec<String>,
    test: Test,
}

#[derive(Clone, Debug)]
enum Test {
    Present,
    Equal(String),
    NotEqual(String),
    Matches(Regex),
}

impl Filter {
    /// Reads a list of filters.
    ///
    /// # Errors
    /// InvalidArgument naming the filter, the position in it, and what was expected there.
    pub fn parse<S: AsRef<str>>(filters: &[S]) -> Result<Self> {
        if filters.len() > MAX_FILTERS {
            return Err(Error::invalid(format!("{} filters; at most 256", filters.len())));
        }
        let mut regexes = 0;
        let any = filters.iter().map(|text| parser::parse(text.as_ref(), &mut regexes));
        let any = any.collect::<Result<Vec<_>>>()?;
        // An empty filter holds always, and so does a list that has one.
        Ok(if any.iter().any(Vec::is_empty) { Self::default() } else { Self { any } })
    }

    /// Whether nothing is filtered out, whatever the noun.
    pub fn is_everything(&self) -> bool {
        self.any.is_empty()
    }

    /// Whether `noun` is in the list.
    pub fn matches(&self, noun: &(impl Fields + ?Sized)) -> bool {
        self.any.is_empty() || self.any.iter().any(|all| all.iter().all(|one| one.matches(noun)))
    }
}

impl Selector {
    fn matches(&self, noun: &(impl Fields + ?Sized)) -> bool {
        let path: Vec<&str> = self.path.iter().map(String::as_str).collect();
        let value = noun.field(&path);
        let text = value.as_deref().unwrap_or_default();
        match &self.test {
            Test::Present => value.is_some(),
            Test::Equal(want) => value.is_some() && text == want,
            Test::NotEqual(other) => text != other,
            Test::Matches(regex) => regex.is_match(text),
        }
    }
}

#[cfg(test)]
mod tests;
