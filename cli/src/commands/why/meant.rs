//! Which blob or snapshot a person means.

use std::collections::BTreeSet;

use varve_core::{Error, Reference, Result, ResultExt};

use crate::reach::{Graph, Place};
use crate::session::Session;

/// Candidates that an error lists.
const LISTED: usize = 10;

/// All that has the one name that is meant: the lowest layer, where it is not compressed, is a blob and a snapshot
/// of the same digest, and each snapshotter may have it.
///
/// # Errors
/// NotFound where there is no such thing; InvalidArgument where several begin so, naming them.
pub async fn find(session: &Session, graph: &Graph, text: &str) -> Result<Vec<Place>> {
    let exact = named(graph, |name| name == text || hex(name) == Some(text));
    if !exact.is_empty() {
        return Ok(exact);
    }
    if let Some(target) = image(session, text).await? {
        return Ok(named(graph, |name| name == target));
    }
    let found = named(graph, |name| begins(name, text));
    let names: BTreeSet<&str> = found.iter().map(name).collect();
    match names.len() {
        0 => Err(Error::not_found(format!(
            "{text}: no blob, no snapshot and no image here begins so; `varve content ls`, `varve snapshots ls` \
             and `varve images` list what is here"
        ))),
        1 => Ok(found),
        _ => Err(ambiguous(text, &found)),
    }
}

/// What the image's name points to.
async fn image(session: &Session, text: &str) -> Result<Option<String>> {
    let Ok(reference) = text.parse::<Reference>() else { return Ok(None) };
    let name = reference.to_string();
    let named = session.services.images.get(&session.scope, &name).await.found()?;
    let target = named.map(|named| named.target.digest).or_else(|| reference.digest());
    Ok(target.map(|digest| digest.to_string()))
}

fn named(graph: &Graph, is: impl Fn(&str) -> bool) -> Vec<Place> {
    graph.places().filter(|place| is(name(place))).cloned().collect()
}

/// A digest, or a key.
pub fn name(place: &Place) -> &str {
    match place {
        Place::Blob(digest) => digest,
        Place::Snapshot(_, key) => key,
    }
}

fn hex(name: &str) -> Option<&str> {
    name.strip_prefix("sha256:")
}

/// `sha256` alone begins them all, and names none.
fn begins(name: &str, text: &str) -> bool {
    match hex(name) {
        Some(hex) => hex.starts_with(text.strip_prefix("sha256:").unwrap_or(text)),
        None => name.starts_with(text),
    }
}

fn ambiguous(text: &str, found: &[Place]) -> Error {
    let one = |place: &Place| match place {
        Place::Blob(digest) => format!("blob {}", short(digest)),
        Place::Snapshot(by, key) => format!("snapshot {} of {by}", short(key)),
    };
    let shown: Vec<String> = found.iter().take(LISTED).map(one).collect();
    let more = match found.len().saturating_sub(LISTED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Error::invalid(format!("{text}: several begin so: {}{more}", shown.join(", ")))
}

/// Twelve digits of a digest, and all of a key.
fn short(name: &str) -> &str {
    hex(name).map_or(name, |hex| hex.get(..12).unwrap_or(hex))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_begins_with_digits_or_with_its_algorithm_or_as_a_key_does() {
        assert!(begins("sha256:abcd", "ab") && begins("sha256:abcd", "sha256:ab"));
        assert!(begins("varve-mount-1", "varve-m"));
        assert!(!begins("sha256:abcd", "sha256") && !begins("sha256:abcd", "b"));
    }

    #[test]
    fn what_is_ambiguous_is_refused_with_ten_candidates() {
        let blob = |n: usize| Place::Blob(format!("sha256:ab{n:062}"));
        let mut found: Vec<Place> = (0..11).map(blob).collect();
        found.push(Place::Snapshot("native".into(), "ab-key".into()));
        found.rotate_right(1);
        let said = ambiguous("ab", &found).chain();
        assert!(
            said.starts_with(
                "ab: several begin so: snapshot ab-key of native, blob ab0000000000, "
            )
        );
        assert!(said.ends_with(" and 2 more"), "{said}");
    }
}
