//! Docker's filters of images. Filters of one key widen the list (but for labels), those of several
//! narrow it.

mod glob;
mod moment;

use varve_core::images::Image as Named;
use varve_core::{Error, Reference, Result, Timestamp};

use super::row::{Row, rows};
use crate::find;
use crate::session::Session;
use glob::{glob, pattern};
use moment::moment;

/// What a row must be to be listed.
#[derive(Debug, Default)]
pub struct Filters {
    dangling: Option<bool>,
    before: Option<Timestamp>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    /// All of them.
    labels: Vec<(String, Option<String>)>,
    /// None of them.
    not_labels: Vec<(String, Option<String>)>,
    /// One of them.
    references: Vec<String>,
    /// The positional argument.
    repository: Option<String>,
}

impl Filters {
    /// InvalidArgument for a filter that is none, NotFound for an image that is not here.
    pub async fn parse(
        session: &Session,
        texts: &[String],
        repository: Option<&str>,
    ) -> Result<Self> {
        let mut filters = Self { repository: repository.map(str::to_owned), ..Self::default() };
        for text in texts {
            let no_pair = || Error::invalid(format!("filter {text:?}: want KEY=VALUE"));
            let (key, value) = text.split_once('=').ok_or_else(no_pair)?;
            match key {
                "before" | "since" if value.is_empty() => {
                    return Err(Error::invalid(format!("filter {text:?}: want an image")));
                }
                "before" => filters.before = Some(created(session, value).await?),
                "since" => filters.since = Some(created(session, value).await?),
                _ => filters.take(key, value)?,
            }
        }
        Ok(filters)
    }

    /// The filters of `image prune`.
    pub fn for_prune(texts: &[String]) -> Result<Self> {
        let mut filters = Self::default();
        for text in texts {
            let no_pair = || Error::invalid(format!("filter {text:?}: want KEY=VALUE"));
            let (key, value) = text.split_once('=').ok_or_else(no_pair)?;
            match key {
                "label!" => filters.not_labels.push(label(value)),
                "label" | "until" => filters.take(key, value)?,
                _ => {
                    let known = "there are label, label! and until";
                    return Err(Error::invalid(format!("Invalid filter '{key}'; {known}")));
                }
            }
        }
        Ok(filters)
    }

    fn take(&mut self, key: &str, value: &str) -> Result<()> {
        match key {
            "dangling" => {
                let unknown = || {
                    Error::invalid(format!(
                        "Invalid filter 'dangling=[{value}]'; want true or false"
                    ))
                };
                self.dangling = Some(truth(value).ok_or_else(unknown)?);
            }
            "until" => self.until = Some(moment(value)?),
            "label" => self.labels.push(label(value)),
            "reference" => self.references.push(pattern(value)?),
            _ => {
                return Err(Error::invalid(format!(
                    "Invalid filter '{key}'; there are before, dangling, label, reference, since, until"
                )));
            }
        }
        Ok(())
    }

    /// Whether a row is listed.
    pub fn match_row(&self, row: &Row) -> bool {
        let older = |limit: Timestamp| row.created().is_some_and(|created| created < limit);
        let newer = |limit: Timestamp| row.created().is_some_and(|created| created > limit);
        self.dangling.is_none_or(|dangling| dangling == row.is_dangling())
            && self.before.is_none_or(older)
            && self.until.is_none_or(older)
            && self.since.is_none_or(newer)
            && self.labels.iter().all(|label| has(row, label))
            && !self.not_labels.iter().any(|label| has(row, label))
            && (self.references.is_empty() || self.references.iter().any(|one| refers(row, one)))
            && self.repository.as_deref().is_none_or(|repository| is_of(row, repository))
    }
}

fn truth(text: &str) -> Option<bool> {
    match text {
        "true" | "1" | "t" | "T" | "True" | "TRUE" => Some(true),
        "false" | "0" | "f" | "F" | "False" | "FALSE" => Some(false),
        _ => None,
    }
}

/// `KEY` or `KEY=VALUE`.
fn label(text: &str) -> (String, Option<String>) {
    match text.split_once('=') {
        Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
        None => (text.to_owned(), None),
    }
}

fn has(row: &Row, (key, value): &(String, Option<String>)) -> bool {
    let found = row.label(key);
    found.is_some_and(|found| value.as_ref().is_none_or(|value| value == found))
}

/// A pattern for the repository, or for the whole name.
fn refers(row: &Row, pattern: &str) -> bool {
    !row.is_dangling()
        && (glob(pattern, &row.repository)
            || glob(pattern, &format!("{}:{}", row.repository, row.tag)))
}

/// The argument of `ls`: a repository, or one with its tag.
fn is_of(row: &Row, text: &str) -> bool {
    let Ok(reference) = text.parse::<Reference>() else { return refers(row, text) };
    let tagged = text.rsplit('/').next().is_some_and(|last| last.contains(':'));
    reference.familiar_repository() == row.repository
        && !row.is_dangling()
        && (!tagged || reference.tag() == Some(&row.tag))
}

/// When the image that a person means was made.
async fn created(session: &Session, text: &str) -> Result<Timestamp> {
    let named: Named = find::find(session, text).await?.first().clone();
    let unknown = || Error::precondition(format!("image {text} does not say when it was made"));
    let row = rows(session, vec![named]).await?.pop();
    row.and_then(|row| row.created()).ok_or_else(unknown)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::super::row::example;
    use super::moment::duration;
    use super::*;
    use crate::survey::Seen;

    fn of(name: &str, tag: &str, labels: &[(&str, &str)]) -> Row {
        let labels = labels.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        let name = format!("{name}:{tag}");
        Row::new(Some(Arc::new(Seen { labels, ..example::seen() })), example::named(&name))
    }

    fn matches(row: &Row, pairs: &[(&str, &str)]) -> bool {
        let mut filters = Filters::default();
        pairs.iter().for_each(|(key, value)| filters.take(key, value).unwrap());
        filters.match_row(row)
    }

    #[test]
    fn patterns_match_as_go_paths_do() {
        for (pattern, text, want) in [
            ("alp*", "alpine", true),
            ("*/x", "a/x", true),
            ("*", "a/x", false),
            ("a?p[h-j]ne", "alpine", true),
            ("[^a]*", "alpine", false),
            ("*a*b*c", "xxaxxbxxc", true),
            ("*a*b*c", "xxaxxbxxcx", false),
            ("\\*", "*", true),
            ("", "", true),
            ("[", "[", false),
        ] {
            assert_eq!(glob(pattern, text), want, "{pattern} {text}");
        }
    }

    #[test]
    fn filters_of_several_keys_narrow_and_references_widen() {
        let row = of("registry.example/x/y", "1", &[("a", "1"), ("b", "2")]);
        assert!(matches(&row, &[("label", "a"), ("label", "b=2"), ("dangling", "false")]));
        assert!(!matches(&row, &[("label", "a"), ("label", "b=3")]));
        assert!(matches(&row, &[("reference", "none"), ("reference", "registry.example/*/y:1")]));
        assert!(!matches(&row, &[("reference", "registry.example/*"), ("label", "a")]));
        assert!(!matches(&row, &[("until", "1h")]), "it does not say when it was made");
    }

    #[test]
    fn the_argument_is_a_repository_or_a_name() {
        let row = of("docker.io/library/alpine", "3", &[]);
        for (text, want) in
            [("alpine", true), ("alpine:3", true), ("alpine:4", false), ("alp", false)]
        {
            assert_eq!(is_of(&row, text), want, "{text}");
        }
    }

    #[test]
    fn times_are_taken_as_docker_takes_them() {
        let utc = |text: &str| text.parse::<Timestamp>().unwrap();
        assert_eq!(moment("2026-01-31").unwrap(), utc("2026-01-31T00:00:00Z"));
        assert_eq!(moment("0").unwrap(), utc("1970-01-01T00:00:00Z"));
        assert_eq!(duration("1h30m"), Some(Duration::from_secs(5400)));
        for bad in ["", "h", "1x", "soon"] {
            assert!(moment(bad).is_err(), "{bad}");
        }
    }
}
