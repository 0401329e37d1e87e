//! The images of an OCI image layout (image-spec, image-layout.md), by its `index.json`.

use varve_core::oci::Document;
use varve_core::{Descriptor, Error, MediaType, Reference, Result, ResultExt};

use super::intake::Intake;
use super::listing::{Listed, What};
use super::shelf::Shelf;

/// Where containerd and Docker write an image's whole name.
pub const IMAGE_NAME: &str = "io.containerd.image.name";
/// Where the specification has a name, which is most often a tag alone.
pub const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// What `index.json` lists, each target once with all of its names; `None` where there is no such file.
pub async fn list(shelf: &Shelf, intake: &Intake) -> Result<Option<Vec<Listed>>> {
    let Some(file) = shelf.file("index.json")? else { return Ok(None) };
    let noun = || "index.json".to_owned();
    let bytes = intake.document(&file).await.context(noun)?;
    let document = Document::parse(&MediaType::OciIndex, &bytes, &intake.bounds).context(noun)?;
    let Document::Index(index) = document else {
        return Err(Error::invalid("index.json is a manifest"));
    };
    let mut all: Vec<Listed> = Vec::new();
    for descriptor in index.manifests {
        let (name, tag) = names(&descriptor).context(noun)?;
        let known = all.iter_mut().find(|listed| listed.is(&descriptor));
        match known {
            Some(listed) => listed.add(name, tag),
            None => all.push(Listed::new(What::Target(plain(descriptor)), name, tag)),
        }
    }
    Ok(Some(all))
}

/// The same without what only this index says of it.
fn plain(descriptor: Descriptor) -> Descriptor {
    Descriptor::new(descriptor.media_type, descriptor.digest, descriptor.size)
}

/// The whole name, where there is one, and the name as the layout has it.
fn names(descriptor: &Descriptor) -> Result<(Option<Reference>, Option<String>)> {
    let annotation = |key| descriptor.annotations.get(key).filter(|name| !name.is_empty());
    let tag = annotation(REF_NAME).cloned();
    if let Some(name) = annotation(IMAGE_NAME) {
        return Ok((Some(name.parse()?), tag));
    }
    // A word without a repository is a tag: of what, nobody says.
    let whole = tag.as_ref().filter(|name| name.contains(['/', ':']));
    let name = whole.map(|name| name.parse()).transpose()?;
    Ok((name, tag))
}

#[cfg(test)]
mod tests {
    use varve_core::Digest;

    use super::*;

    fn named(annotations: &[(&str, &str)]) -> Result<(Option<String>, Option<String>)> {
        let mut descriptor = Descriptor::new(MediaType::OciManifest, Digest::of(b""), 0);
        let owned = annotations.iter().map(|(key, value)| (key.to_string(), value.to_string()));
        descriptor.annotations = owned.collect();
        names(&descriptor).map(|(name, tag)| (name.map(|name| name.to_string()), tag))
    }

    #[test]
    fn containerds_annotation_is_the_name_and_the_specifications_is_one_if_it_has_a_repository() {
        let full = "docker.io/library/alpine:3".to_owned();
        let both = named(&[(IMAGE_NAME, "alpine:3"), (REF_NAME, "3")]).unwrap();
        assert_eq!(both, (Some(full.clone()), Some("3".into())));
        let whole = named(&[(REF_NAME, "alpine:3")]).unwrap();
        assert_eq!(whole, (Some(full), Some("alpine:3".into())));
        assert_eq!(named(&[(REF_NAME, "3")]).unwrap(), (None, Some("3".into())));
        assert_eq!(named(&[]).unwrap(), (None, None));
        assert!(named(&[(IMAGE_NAME, "../../x")]).is_err());
    }
}
