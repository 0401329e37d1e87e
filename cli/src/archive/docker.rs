//! The images of a docker-archive, by its `manifest.json`: what `docker save` has written since Docker 1.10.

use serde::{Deserialize, Deserializer};
use varve_core::oci::Bounds;
use varve_core::{Error, Reference, Result, ResultExt};

use super::entry;
use super::intake::Intake;
use super::listing::{Listed, What};
use super::shelf::Shelf;

/// An image: names of files of the archive.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Item {
    pub config: String,
    #[serde(default, deserialize_with = "or_none")]
    repo_tags: Vec<String>,
    /// Bottom first.
    #[serde(default, deserialize_with = "or_none")]
    pub layers: Vec<String>,
}

/// Go writes an empty list as null.
fn or_none<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

/// What `manifest.json` lists; `None` where there is no such file.
pub async fn list(shelf: &Shelf, intake: &Intake) -> Result<Option<Vec<Listed>>> {
    let Some(file) = shelf.file("manifest.json")? else { return Ok(None) };
    let noun = || "manifest.json".to_owned();
    let bytes = intake.document(&file).await.context(noun)?;
    parse(&bytes, &intake.bounds).context(noun).map(Some)
}

fn parse(bytes: &[u8], bounds: &Bounds) -> Result<Vec<Listed>> {
    let items: Vec<Item> = serde_json::from_slice(bytes)
        .map_err(|error| Error::invalid("cannot be read").with_source(error))?;
    few("images", items.len(), bounds.children)?;
    items.into_iter().map(|item| listed(item, bounds)).collect()
}

fn few(what: &str, len: usize, most: usize) -> Result<()> {
    match len > most {
        true => Err(Error::exhausted(format!("{len} {what}, more than {most}"))),
        false => Ok(()),
    }
}

fn listed(mut item: Item, bounds: &Bounds) -> Result<Listed> {
    few("layers", item.layers.len(), bounds.layers)?;
    item.config = inside(&item.config)?;
    for layer in &mut item.layers {
        *layer = inside(layer)?;
    }
    let names = std::mem::take(&mut item.repo_tags);
    let mut listed = Listed::new(What::Item(item), None, None);
    for name in names {
        listed.add(Some(name.parse::<Reference>()?), None);
    }
    Ok(listed)
}

fn inside(name: &str) -> Result<String> {
    let clean = entry::inside(name).filter(|name| !name.is_empty());
    clean.ok_or_else(|| Error::invalid(format!("{name:?} leads out of the archive")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(bytes: &[u8]) -> Result<Vec<Listed>> {
        super::parse(bytes, &Bounds::default())
    }

    #[test]
    fn what_docker_writes_is_read_and_names_that_lead_out_are_refused() {
        let good = br#"[{"Config":"ab.json","RepoTags":["alpine:3"],"Layers":["x/layer.tar"]},
            {"Config":"cd.json","RepoTags":null,"Layers":null,"Parent":"x"}]"#;
        let listed = parse(good).unwrap();
        assert_eq!(listed[0].names[0].familiar(), "alpine:3");
        assert_eq!((listed.len(), listed[1].names.len()), (2, 0));
        for bad in ["../../etc/passwd", "/etc/passwd", ""] {
            let text = format!(r#"[{{"Config":"a.json","Layers":["{bad}"]}}]"#);
            let error = parse(text.as_bytes()).unwrap_err();
            assert!(error.message().contains("leads out"), "{error}");
        }
        assert!(parse(br#"[{"Config":"a","Layers":[],"RepoTags":["../x"]}]"#).is_err());
    }
}
