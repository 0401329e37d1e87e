//! One image as `index.json` shows it: under which name, and which of its manifests.

use varve_core::images::Image;
use varve_core::oci::{Document, Index};
use varve_core::{Descriptor, Error, MediaType, Platform, Result};

use super::{DERIVED, NAME, REF_NAME, TARGET, derive, document};
use crate::layout::Layout;

/// The entry of an image; `None` where nothing of it is here.
pub fn entry(layout: &Layout, image: &Image) -> Result<Option<Descriptor>> {
    let Some(mut entry) = shown(layout, &image.target) else { return Ok(None) };
    if let Some(derived) = derive::derive(layout, &entry)? {
        entry = derived;
        entry.annotations.insert(DERIVED.into(), "true".into());
    }
    if entry.digest != image.target.digest {
        let internal = |error| Error::internal("a target cannot be written").with_source(error);
        let target = serde_json::to_string(&image.target).map_err(internal)?;
        entry.annotations.insert(TARGET.into(), target);
    }
    let name = ref_name(&image.name);
    if name != image.name {
        entry.annotations.insert(NAME.into(), image.name.clone());
    }
    entry.annotations.insert(REF_NAME.into(), name);
    Ok(Some(entry))
}

/// What of a target other tools can use: itself, or the one manifest of it that is whole.
fn shown(layout: &Layout, target: &Descriptor) -> Option<Descriptor> {
    layout.blob_size(&target.digest)?;
    let Some(Document::Index(index)) = document(layout, target) else {
        return Some(target.clone());
    };
    let whole: Vec<&Descriptor> =
        index.manifests.iter().filter(|child| is_whole(layout, child)).collect();
    match whole.as_slice() {
        [] => Some(target.clone()),
        [one] => Some((*one).clone()),
        // A list of Docker's is read by none of them.
        all if all.len() == index.manifests.len() && target.media_type == MediaType::OciIndex => {
            Some(target.clone())
        }
        some => Some(for_this_host(&index, some).unwrap_or(some[0]).clone()),
    }
}

/// The manifest that a tool would choose here, if it is among those that are here.
fn for_this_host<'a>(index: &Index, here: &[&'a Descriptor]) -> Option<&'a Descriptor> {
    let platforms = index.manifests.iter().enumerate();
    let platforms = platforms.filter_map(|(at, child)| Some((at, child.platform.as_ref()?)));
    let chosen = &index.manifests[Platform::host().choose(platforms)?];
    here.iter().find(|child| child.digest == chosen.digest).copied()
}

/// Whether a manifest, its config and its layers all have files.
fn is_whole(layout: &Layout, child: &Descriptor) -> bool {
    let has = |blob: &Descriptor| layout.blob_size(&blob.digest) == Some(blob.size);
    match document(layout, child) {
        Some(document @ Document::Manifest(_)) => document.children().into_iter().all(has),
        _ => false,
    }
}

/// The name as image-spec's grammar takes it (annotations.md): letters and digits, joined by single
/// separators. Docker's references are that already, all but IPv6 hosts in brackets.
fn ref_name(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for letter in name.chars() {
        let separator = matches!(letter, '-' | '.' | '_' | ':' | '@' | '/' | '+');
        match letter {
            _ if letter.is_ascii_alphanumeric() => text.push(letter),
            _ if text.is_empty() || text.ends_with(|c: char| !c.is_ascii_alphanumeric()) => {}
            _ if separator => text.push(letter),
            _ => text.push('-'),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dockers_references_are_names_that_other_tools_take() {
        for name in [
            "127.0.0.1:5000/lab/python:1",
            "docker.io/library/alpine:latest",
            "ghcr.io/a/b@sha256:008cebedbf11eeb7af5bd0e9db367fca0666215f6038cef8895395962b7c5c88",
        ] {
            assert_eq!(ref_name(name), name);
        }
        assert_eq!(ref_name("[::1]:5000/x/y:1"), "1-5000/x/y:1");
    }
}
