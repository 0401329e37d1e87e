//! Which images a shelf has, whatever its format.

use varve_core::{Descriptor, Error, Reference, Result};

use super::docker::Item;
use super::intake::Intake;
use super::shelf::Shelf;
use super::{docker, layout};

/// Which of the two formats is read; an archive may be both.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// The image layout where there is one.
    Either,
    Oci,
    Docker,
}

/// An image of a shelf.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listed {
    pub what: What,
    /// Whole names; there may be none.
    pub names: Vec<Reference>,
    /// What a layout calls it, be it a whole name or not.
    pub tags: Vec<String>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum What {
    /// An index or a manifest of a layout.
    Target(Descriptor),
    /// Of a docker-archive: its manifest has yet to be made.
    Item(Item),
}

impl Listed {
    pub fn new(what: What, name: Option<Reference>, tag: Option<String>) -> Self {
        Self { what, names: name.into_iter().collect(), tags: tag.into_iter().collect() }
    }

    pub fn add(&mut self, name: Option<Reference>, tag: Option<String>) {
        let new = name.filter(|name| !self.names.contains(name));
        self.names.extend(new);
        self.tags.extend(tag);
    }

    /// Whether it points there.
    pub fn is(&self, descriptor: &Descriptor) -> bool {
        matches!(&self.what, What::Target(target) if target.digest == descriptor.digest)
    }

    /// Whether a person who says `text` means it.
    pub fn is_called(&self, text: &str) -> bool {
        let name = text.parse::<Reference>().ok();
        self.tags.iter().any(|tag| tag == text)
            || name.is_some_and(|name| self.names.contains(&name))
    }

    /// How a person would call it.
    pub fn called(&self) -> Option<String> {
        let tag = || self.tags.first().cloned();
        self.names.first().map(Reference::familiar).or_else(tag)
    }
}

/// All images of a shelf. InvalidArgument where it is no archive of images.
pub async fn list(shelf: &Shelf, format: Format, intake: &Intake) -> Result<Vec<Listed>> {
    let listed = find(shelf, format, intake).await;
    let listed = listed.map_err(|error| error.context(shelf.noun.clone()))?;
    match listed.is_empty() {
        true => Err(Error::not_found(format!("{}: there is no image in it", shelf.noun))),
        false => Ok(listed),
    }
}

async fn find(shelf: &Shelf, format: Format, intake: &Intake) -> Result<Vec<Listed>> {
    let wanted = match format {
        Format::Docker => "manifest.json: no docker-archive",
        Format::Oci => "index.json: no image layout",
        Format::Either => {
            "index.json or manifest.json: no archive of images (a root file system becomes an image \
             with `varve import`)"
        }
    };
    if format != Format::Docker
        && let Some(listed) = layout::list(shelf, intake).await?
    {
        return Ok(listed);
    }
    if format != Format::Oci
        && let Some(listed) = docker::list(shelf, intake).await?
    {
        return Ok(listed);
    }
    Err(Error::invalid(format!("has no {wanted}")))
}
