//! Docker's filters of images. Filters of one key widen the list (but for labels), those of several
//! narrow it.

use std::time::Duration;

use varve_core::images::Image as Named;
use varve_core::{Error, Reference, Result, Timestamp, time};

use super::row::{Row, rows};
use crate::find;
use crate::session::Session;

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
        let older = |limit: Timestamp| row.created.is_some_and(|created| created < limit);
        let newer = |limit: Timestamp| row.created.is_some_and(|created| created > limit);
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

/// One whose brackets are closed, as Go's path.Match wants them.
fn pattern(text: &str) -> Result<String> {
    let mut open = false;
    let mut characters = text.chars();
    while let Some(one) = characters.next() {
        match one {
            '\\' => drop(characters.next()),
            '[' => open = true,
            ']' => open = false,
            _ => {}
        }
    }
    match open {
        true => {
            Err(Error::invalid(format!("reference={text}: want a ] for each [ of the pattern")))
        }
        false => Ok(text.to_owned()),
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
    let found = row.labels.get(key);
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

/// Go's path.Match: `*` and `?` stand for no slash; `[a-z]`, `[^a]`, and `\\` before a character.
fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    // Where the last star was, and what it has taken: a mistake is taken back to there.
    let (mut p, mut t, mut star) = (0, 0, None);
    loop {
        let step = match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
                continue;
            }
            Some(_) => text.get(t).and_then(|char| one(&pattern[p..], *char)),
            None if t == text.len() => return true,
            None => None,
        };
        match (step, star) {
            (Some(len), _) => (p, t) = (p + len, t + 1),
            (None, Some((at, taken))) if text.get(taken).is_some_and(|char| *char != '/') => {
                star = Some((at, taken + 1));
                (p, t) = (at + 1, taken + 1);
            }
            _ => return false,
        }
    }
}

/// Whether the pattern's first item takes `char`, and the item's length.
fn one(pattern: &[char], char: char) -> Option<usize> {
    match pattern {
        ['?', ..] => (char != '/').then_some(1),
        ['\\', escaped, ..] => (*escaped == char).then_some(2),
        ['[', rest @ ..] => {
            let (negated, rest) = match rest {
                ['^', rest @ ..] => (true, rest),
                rest => (false, rest),
            };
            let end = rest.iter().position(|char| *char == ']')?;
            let taken = in_class(&rest[..end], char) != negated && char != '/';
            taken.then_some(2 + usize::from(negated) + end)
        }
        [literal, ..] => (*literal == char).then_some(1),
        [] => None,
    }
}

fn in_class(mut class: &[char], char: char) -> bool {
    loop {
        class = match class {
            [low, '-', high, rest @ ..] if (*low..=*high).contains(&char) || rest.is_empty() => {
                return (*low..=*high).contains(&char);
            }
            [_, '-', _, rest @ ..] => rest,
            [same, ..] if *same == char => return true,
            [_, rest @ ..] => rest,
            [] => return false,
        };
    }
}

/// When the image that a person means was made.
async fn created(session: &Session, text: &str) -> Result<Timestamp> {
    let named: Named = find::find(session, text).await?.first().clone();
    let unknown = || Error::precondition(format!("image {text} does not say when it was made"));
    let row = rows(session, vec![named]).await?.pop();
    row.and_then(|row| row.created).ok_or_else(unknown)
}

/// RFC 3339, a date, seconds since 1970, or a duration before now as Go writes it.
fn moment(text: &str) -> Result<Timestamp> {
    let bad = || {
        Error::invalid(format!("until={text}: want a time such as 2026-01-31T08:00:00Z, or 24h"))
    };
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    if let Ok(time) = format!("{text}T00:00:00Z").parse::<Timestamp>() {
        return Ok(time);
    }
    if let Ok(seconds) = text.parse::<i64>() {
        return Timestamp::from_second(seconds).map_err(|_| bad());
    }
    time::now().checked_sub(duration(text).ok_or_else(bad)?).map_err(|_| bad())
}

/// `1h30m`.
fn duration(text: &str) -> Option<Duration> {
    let (mut total, mut rest) = (0_f64, text);
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let unit = rest[digits..].find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len() - digits);
        let seconds = match &rest[digits..digits + unit] {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 0.001,
            _ => return None,
        };
        total += rest[..digits].parse::<f64>().ok()? * seconds;
        rest = &rest[digits + unit..];
    }
    Duration::try_from_secs_f64(total).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, tag: &str, labels: &[(&str, &str)]) -> Row {
        let labels = labels.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        let name = format!("{name}:{tag}");
        let (repository, tag) = super::super::row::repository_and_tag(&name);
        Row { repository, tag, name, labels, ..Row::default() }
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
