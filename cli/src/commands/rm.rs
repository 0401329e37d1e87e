//! `varve image rm`: takes names from images, and the images with their last one.

use std::collections::HashSet;

use clap::Args;
use serde::Serialize;
use varve_core::images::{Image as Named, Removal};
use varve_core::labels::{DANGLING, DISTRIBUTION_SOURCE};
use varve_core::{Error, Reference, Result, ResultExt};

use crate::failure;
use crate::find::{self, Found};
use crate::image::Image;
use crate::progress;
use crate::session::Session;

/// Remove images
///
/// A name goes first; with the last one goes the image, and every layer that no other image has. While a
/// container, running or not, or a mount uses an image, its last name stays.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  varve image rm alpine:3.19\n  varve rmi 05455a08881e")]
pub struct Rm {
    /// By name, by ID or the start of one, or by digest
    #[arg(value_name = "IMAGE", required = true)]
    images: Vec<String>,
    /// Take all names of an ID; take the last name of an image in use too, and leave the image
    #[arg(long, short)]
    force: bool,
}

/// A line of what was done, as Docker's API has it.
#[derive(Serialize, Debug)]
enum Done {
    Untagged(String),
    Deleted(String),
}

impl Rm {
    pub async fn run(self, session: &Session) -> failure::Result<()> {
        let mut failures = Vec::new();
        let mut done = Vec::new();
        for text in &self.images {
            match self.remove(session, text).await {
                Ok(lines) => done.extend(lines),
                Err(error) => failures.push(error),
            }
        }
        let lines: Vec<String> = done.iter().map(Done::line).collect();
        session.output.lines(&lines, &done)?;
        // All of them are told; the last one ends the command.
        let Some(last) = failures.pop() else { return Ok(()) };
        failures.iter().for_each(|error| progress::warn(&format!("varve: {}", error.chain())));
        Err(last.into())
    }

    async fn remove(&self, session: &Session, text: &str) -> Result<Vec<Done>> {
        let names = match find::find(session, text).await? {
            Found::Name(named) => vec![*named],
            Found::Id(names) => self.all_of(text, names)?,
        };
        let mut done = Vec::new();
        for named in names {
            done.extend(self.untag(session, named).await?);
        }
        Ok(done)
    }

    /// An ID that has several names means all of them only where that is said.
    fn all_of(&self, text: &str, names: Vec<Named>) -> Result<Vec<Named>> {
        if names.len() < 2 || self.force {
            return Ok(names);
        }
        let names: Vec<String> = names.iter().map(|named| familiar(&named.name)).collect();
        let names = names.join(", ");
        Err(Error::precondition(format!(
            "image {text} has several names: {names}; remove them one by one, or all with --force"
        )))
    }

    /// Removes one name, and what nothing else needs with it.
    async fn untag(&self, session: &Session, named: Named) -> Result<Vec<Done>> {
        let (services, scope) = (&session.services, &session.scope);
        let image = find::present(session, &named).await?;
        let from_registry = repo_digest(session, &named).await?;
        let removal = Removal { name: named.name.clone(), force: self.force };
        let removed = services.images.remove(scope, removal).await?;
        let mut done = Vec::new();
        if !named.name.starts_with(DANGLING) {
            done.push(Done::Untagged(familiar(&named.name)));
        }
        if let Some(digest) = from_registry.filter(|_| !same_repository(&named, &removed.left)) {
            done.push(Done::Untagged(digest));
        }
        if removed.left.is_empty() {
            done.extend(deleted(session, &named, image.as_ref()).await?);
        }
        Ok(done)
    }
}

/// Collects, and tells what has gone of the image.
async fn deleted(session: &Session, named: &Named, image: Option<&Image>) -> Result<Vec<Done>> {
    let collected = session.services.collector.collect(false).await?;
    let gone: HashSet<String> = collected.snapshots.into_iter().map(|(_, _, key)| key).collect();
    let id = image.map_or(named.target.digest, Image::id);
    let layers = image.into_iter().flat_map(|image| image.layers.iter().rev());
    let layers = layers.map(|layer| layer.chain_id().to_string()).filter(|key| gone.contains(key));
    Ok(std::iter::once(id.to_string()).chain(layers).map(Done::Deleted).collect())
}

/// `repository@digest`, for what came from a registry under that name.
async fn repo_digest(session: &Session, named: &Named) -> Result<Option<String>> {
    let Ok(reference) = named.name.parse::<Reference>() else { return Ok(None) };
    let digest = named.target.digest;
    let info = session.services.content.info(&session.scope, &digest).await.found()?;
    let source = format!("{DISTRIBUTION_SOURCE}{}", reference.domain());
    let came = info.is_some_and(|info| info.labels.contains_key(&source));
    Ok((came && !named.name.starts_with(DANGLING))
        .then(|| format!("{}@{digest}", reference.familiar_repository())))
}

/// Whether another of the image's names is of the same repository.
fn same_repository(named: &Named, left: &[String]) -> bool {
    let repository = |name: &str| Some(name.parse::<Reference>().ok()?.repository());
    left.iter().any(|other| repository(other) == repository(&named.name))
}

fn familiar(name: &str) -> String {
    name.parse::<Reference>().map_or_else(|_| name.to_owned(), |reference| reference.familiar())
}

impl Done {
    fn line(&self) -> String {
        match self {
            Self::Untagged(name) => format!("Untagged: {name}"),
            Self::Deleted(id) => format!("Deleted: {id}"),
        }
    }
}
