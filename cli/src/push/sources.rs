//! Which repositories have a blob, as its labels tell (containerd's `distribution.source`): what a push
//! mounts it from, and where what is missing is brought from.

use varve_core::labels::{self, DISTRIBUTION_SOURCE, MAX_LABEL};
use varve_core::mask::Mask;
use varve_core::{Digest, Labels, Result, Scope};

use crate::services::Services;

/// Repositories that a blob is asked for at: Docker gives up after as many.
const MOST: usize = 3;

/// Repositories of `host` to mount from, those that are most like `own` first.
pub fn to_mount(labels: &Labels, host: &str, own: &str) -> Vec<String> {
    let mut all = labels::repositories(labels, host);
    all.retain(|repository| *repository != own);
    all.sort_by_key(|from| std::cmp::Reverse(alike(from, own)));
    all.into_iter().take(MOST).map(str::to_owned).collect()
}

/// Path components that two repositories begin with alike: the same people may read both.
fn alike(a: &str, b: &str) -> usize {
    a.split('/').zip(b.split('/')).take_while(|(a, b)| a == b).count()
}

/// All of them, as `host/repository`.
pub fn all(labels: &Labels) -> Vec<String> {
    let of = |(key, value): (&String, &String)| {
        let host = key.strip_prefix(DISTRIBUTION_SOURCE)?.to_owned();
        let full = move |path: &str| format!("{host}/{path}");
        Some(value.split(',').filter(|it| !it.is_empty()).map(full).collect::<Vec<_>>())
    };
    labels.iter().filter_map(of).flatten().collect()
}

/// Notes that `host` has `digest` in `repository` now.
pub async fn note(
    services: &Services,
    scope: &Scope,
    digest: &Digest,
    host: &str,
    repository: &str,
) -> Result<()> {
    let key = format!("{DISTRIBUTION_SOURCE}{host}");
    let info = services.content.info(scope, digest).await?;
    let before = info.labels.get(&key).map_or("", String::as_str);
    let value = joined(before, repository);
    if value == before || key.len() + value.len() > MAX_LABEL {
        return Ok(());
    }
    let labels = Labels::from([(key, value)]);
    services.content.update(scope, digest, &labels, &Mask::labels(labels.keys())).await?;
    Ok(())
}

/// `known`, comma-separated and sorted, with `repository`.
pub fn joined(known: &str, repository: &str) -> String {
    let mut all: Vec<&str> = known.split(',').filter(|word| !word.is_empty()).collect();
    all.push(repository);
    all.sort_unstable();
    all.dedup();
    all.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_is_added_to_those_that_are_known_once() {
        assert_eq!(joined("", "lab/b"), "lab/b");
        assert_eq!(joined("lab/b", "lab/a"), "lab/a,lab/b");
        assert_eq!(joined("lab/a,lab/b", "lab/a"), "lab/a,lab/b");
    }

    #[test]
    fn a_blob_is_mounted_from_its_neighbours_first_and_never_from_where_it_goes() {
        let label =
            |host: &str, value: &str| (format!("{DISTRIBUTION_SOURCE}{host}"), value.into());
        let labels = Labels::from([label("h:1", "a/x,lab/app,lab/base,z"), label("g", "other")]);
        assert_eq!(to_mount(&labels, "h:1", "lab/app"), ["lab/base", "a/x", "z"]);
        assert!(to_mount(&labels, "none", "lab/app").is_empty());
        assert_eq!(all(&labels).len(), 5);
        assert_eq!(all(&labels)[0], "g/other");
    }
}
