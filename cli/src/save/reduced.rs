//! An index of which only some platforms are here: what is saved of it.
//!
//! An archive that points to what it does not hold is of no use to most tools. So of one platform its manifest
//! alone is saved, and of several a smaller index is made; either has another digest than the registry's,
//! which is said.

use serde_json::Value;
use varve_core::oci::{Document, Manifest};
use varve_core::{Descriptor, Digest, Error, MediaType, Result};

use super::contents::{Contents, Here};
use super::find::Meant;
use crate::progress;

/// What index.json points to, and the manifests that are kept.
type Reduced = (Descriptor, Vec<(Descriptor, Manifest)>);

/// All of a target where all of it is here, and else what is here.
pub fn reduce(contents: &mut Contents, meant: &Meant, here: &Here) -> Result<Reduced> {
    let target = &meant.named.target;
    let whole = Descriptor::new(target.media_type.clone(), target.digest, target.size);
    let Some((_, missing)) = here.missing.first() else {
        return Ok((whole, here.manifests.clone()));
    };
    let kept = kept(here);
    let images = kept.iter().filter(|(it, _)| !tells_of_another(it)).count();
    if images == 0 {
        let text = &meant.text;
        return Err(Error::not_found(format!(
            "{text}: nothing of it is here in whole ({missing} is missing); `varve pull {text}` brings it"
        )));
    }
    say(meant, here, images);
    match kept.as_slice() {
        [(one, _)] => {
            let one = Descriptor::new(one.media_type.clone(), one.digest, one.size);
            Ok((one, kept))
        }
        _ => Ok((index(contents, &kept)?, kept)),
    }
}

/// What is here; what tells of an image that is not here is left out, too.
fn kept(here: &Here) -> Vec<(Descriptor, Manifest)> {
    let is_here = |digest: &str| {
        digest.parse::<Digest>().is_ok_and(|digest| {
            here.manifests.iter().any(|(descriptor, _)| descriptor.digest == digest)
        })
    };
    let keeps = |descriptor: &Descriptor| {
        descriptor.annotations.get(TELLS_OF).is_none_or(|digest| is_here(digest))
    };
    here.manifests.iter().filter(|(descriptor, _)| keeps(descriptor)).cloned().collect()
}

/// On an attestation: the digest of the manifest that it is about (BuildKit).
const TELLS_OF: &str = "vnd.docker.reference.digest";

fn tells_of_another(descriptor: &Descriptor) -> bool {
    descriptor.annotations.contains_key(TELLS_OF)
}

/// The index of those alone.
fn index(contents: &mut Contents, kept: &[(Descriptor, Manifest)]) -> Result<Descriptor> {
    let manifests: Vec<&Descriptor> = kept.iter().map(|(descriptor, _)| descriptor).collect();
    let kind = MediaType::OciIndex;
    let document: Value =
        serde_json::json!({"schemaVersion": 2, "mediaType": kind, "manifests": manifests});
    let bytes = serde_json::to_vec(&document)
        .map_err(|error| Error::internal("an index as JSON").with_source(error))?;
    let descriptor = Descriptor::new(kind, Digest::of(&bytes), bytes.len() as u64);
    contents.blob(&descriptor);
    contents.made.insert(descriptor.digest, bytes.into());
    Ok(descriptor)
}

fn say(meant: &Meant, here: &Here, images: usize) {
    let platforms = |it: &Descriptor| it.platform.as_ref().is_some_and(|it| it.os != "unknown");
    let missing = here.missing.iter().filter(|(it, _)| platforms(it)).count();
    let indexes = here.indexes.iter().any(|(_, it)| matches!(it, Document::Index(_)));
    if !indexes {
        return;
    }
    progress::warn(&format!(
        "NOTE: {}: {images} of {} platforms are here and saved ({}), under another digest than the whole \
         index has; --all-platforms fetches the others first",
        meant.text,
        images + missing,
        here.platforms()
    ));
}
