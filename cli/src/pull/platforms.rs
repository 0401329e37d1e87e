//! Which platforms of a name are pulled.

use std::str::FromStr;

use varve_core::remotes::Remote;
use varve_core::{Descriptor, Error, Platform, Result, Scope};

use super::Lease;
use crate::failure::about;
use crate::image::{Documents, Source};
use crate::services::Services;

/// What `--platform` says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Wanted {
    /// Every one that the index has.
    All,
    One(Platform),
}

impl FromStr for Wanted {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "all" => Ok(Self::All),
            one => Ok(Self::One(one.parse()?)),
        }
    }
}

/// The platforms to pull, each once; `None` is this machine's, or the only one of what is no index.
pub async fn wanted(
    services: &Services,
    scope: &Scope,
    remote: &Remote,
    target: &Descriptor,
    asked: &[Wanted],
) -> Result<Vec<Option<Platform>>> {
    let mut platforms = Vec::new();
    for one in asked {
        match one {
            Wanted::One(platform) => platforms.push(platform.clone()),
            Wanted::All => platforms.extend(all(services, scope, remote, target).await?),
        }
    }
    let mut each: Vec<Option<Platform>> = Vec::new();
    for platform in platforms.into_iter().map(Some) {
        if !each.contains(&platform) {
            each.push(platform);
        }
    }
    Ok(if each.is_empty() { vec![None] } else { each })
}

/// Brings the index, and looks what it has.
async fn all(
    services: &Services,
    scope: &Scope,
    remote: &Remote,
    target: &Descriptor,
) -> Result<Vec<Platform>> {
    let name = remote.reference.to_string();
    let lease = Lease::take(services, scope, &name).await?;
    let leased = lease.scope(scope);
    let documents = Documents { services, scope: &leased, source: Source::Brought(remote) };
    let indexes = documents.indexes(target, &Platform::host()).await;
    // The pulls that follow bring it again, under leases of their own, if it is gone by then.
    lease.release().await?;
    let indexes = indexes.map_err(about(|| name.clone()))?;
    Ok(indexes.iter().flat_map(|(_, index)| offered(&index.manifests)).collect())
}

/// Those of images; what tells of an image (an attestation) is for no platform.
fn offered(children: &[Descriptor]) -> impl Iterator<Item = Platform> {
    let images = children.iter().filter(|child| child.media_type.is_manifest());
    let known = |platform: &Platform| platform.os != "unknown";
    images.filter_map(|child| child.platform.clone()).filter(known).map(|it| it.normalized())
}

#[cfg(test)]
mod tests {
    use varve_core::{Digest, MediaType};

    use super::*;

    #[test]
    fn all_is_a_word_of_its_own() {
        assert_eq!("all".parse::<Wanted>().unwrap(), Wanted::All);
        let arm = Platform::new("linux", "arm64", "").normalized();
        assert_eq!("linux/arm64".parse::<Wanted>().unwrap(), Wanted::One(arm));
        assert!("linux/a/b/c".parse::<Wanted>().is_err());
    }

    #[test]
    fn attestations_and_children_that_say_nothing_are_no_platforms() {
        let child = |platform: Option<Platform>| Descriptor {
            platform,
            ..Descriptor::new(MediaType::OciManifest, Digest::of(b""), 0)
        };
        let arm = Platform::new("linux", "arm", "v7");
        let unknown = Platform::new("unknown", "unknown", "");
        let all = [child(Some(arm.clone())), child(Some(unknown)), child(None)];
        assert_eq!(offered(&all).collect::<Vec<_>>(), [arm]);
    }
}
