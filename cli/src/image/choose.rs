//! The manifest for a platform, out of indexes that are not in the store: by the same rules as the resolver's.

use varve_core::oci::Index;
use varve_core::{Descriptor, Error, Platform, Result};

/// The best fit; a child that does not say what it is for only where none with a platform fits. NotFound, listing
/// what there is, where nothing does.
pub fn choose(indexes: &[(Descriptor, Index)], platform: &Platform) -> Result<Descriptor> {
    let children = indexes.iter().flat_map(|(_, index)| &index.manifests);
    let manifests: Vec<_> = children.filter(|child| child.media_type.is_manifest()).collect();
    let offered = manifests.iter().enumerate();
    let offered = offered.filter_map(|(n, child)| Some((n, child.platform.as_ref()?)));
    let best = platform.choose(offered).map(|n| manifests[n]);
    let silent = || manifests.iter().copied().find(|child| child.platform.is_none());
    best.or_else(silent).cloned().ok_or_else(|| {
        let there = offered_by(indexes).join(", ");
        Error::not_found(format!("no manifest for {platform}: there is {there}"))
    })
}

/// The platforms that indexes have, as they list them.
pub fn offered_by(indexes: &[(Descriptor, Index)]) -> Vec<String> {
    let children = indexes.iter().flat_map(|(_, index)| &index.manifests);
    let known =
        children.filter_map(|child| child.platform.as_ref()).filter(|it| it.os != "unknown");
    known.map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use varve_core::{Digest, MediaType};

    use super::*;

    fn index(platforms: &[&str]) -> Vec<(Descriptor, Index)> {
        let child = |(n, text): (usize, &&str)| Descriptor {
            platform: text.parse().ok(),
            ..Descriptor::new(MediaType::OciManifest, Digest::of(&[n as u8]), 1)
        };
        let manifests = platforms.iter().enumerate().map(child).collect();
        vec![(Descriptor::new(MediaType::OciIndex, Digest::of(b""), 1), Index { manifests })]
    }

    #[test]
    fn the_best_fit_is_chosen_then_what_says_nothing_and_else_what_there_is_is_told() {
        let arm: Platform = "linux/arm64".parse().unwrap();
        let chosen = |platforms: &[&str]| choose(&index(platforms), &arm).map(|it| it.digest);
        let second = Digest::of(&[1]);
        assert_eq!(chosen(&["linux/arm/v7", "linux/arm64"]).unwrap(), second);
        assert_eq!(chosen(&["linux/amd64", ""]).unwrap(), second);
        let error = chosen(&["linux/amd64", "linux/s390x"]).unwrap_err();
        assert!(error.message().ends_with("there is linux/amd64, linux/s390x"), "{error}");
    }
}
