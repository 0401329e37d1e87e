//! `varve image rm`: takes names from images, and the images with their last one.

use clap::Args;
use varve_core::images::Image as Named;
use varve_core::{Error, Kind, Result};

use crate::container::state::Status;
use crate::failure;
use crate::find::{self, Found};
use crate::progress;
use crate::removal::{self, Done, Taken};
use crate::session::Session;

/// Remove images
///
/// A name goes first; with the last one goes the image, and every layer that no other image has. While a
/// container, running or not, or a mount uses an image, its last name stays.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  varve image rm alpine:3.19\n  varve rmi 05455a08881e")]
pub struct Rm {
    /// By name, by ID or the start of one, or by digest
    #[arg(value_name = "IMAGE", required = true, add = crate::complete::images())]
    images: Vec<String>,
    /// Take all names of an ID; take the last name of an image in use too, and leave the image
    #[arg(long, short)]
    force: bool,
}

impl Rm {
    pub async fn run(self, session: &Session) -> failure::Result<()> {
        let mut failures = Vec::new();
        let mut taken = Vec::new();
        for text in &self.images {
            match self.take(session, text, &mut taken).await {
                Ok(()) => {}
                // As with Docker, what is to go at any price and is not there is no failure.
                Err(error) if self.force && error.kind() == Kind::NotFound => {
                    progress::warn(&format!("varve: {}", error.chain()));
                }
                Err(error) => failures.push(error),
            }
        }
        let (done, _) = removal::finish(session, taken, false).await?;
        let lines: Vec<String> = done.iter().map(line).collect();
        session.output.lines(&lines, &done)?;
        // All of them are told; the last one ends the command.
        let Some(last) = failures.pop() else { return Ok(()) };
        failures.iter().for_each(|error| progress::warn(&format!("varve: {}", error.chain())));
        Err(last.into())
    }

    async fn take(&self, session: &Session, text: &str, taken: &mut Vec<Taken>) -> Result<()> {
        let (names, by_id) = match find::find(session, text).await? {
            Found::Name(named) => (vec![*named], false),
            Found::Id(names) => (self.all_of(text, names)?, true),
        };
        for named in &names {
            match removal::take(session, named, self.force).await {
                Ok(one) => taken.push(one),
                Err(error) => return Err(conflict(session, named, by_id, error).await),
            }
        }
        Ok(())
    }

    /// An ID that has several names means all of them only where that is said.
    fn all_of(&self, text: &str, names: Vec<Named>) -> Result<Vec<Named>> {
        if names.len() < 2 || self.force {
            return Ok(names);
        }
        let all: Vec<String> = names.iter().map(|named| removal::familiar(&named.name)).collect();
        Err(Error::precondition(format!(
            "conflict: unable to delete {text} (must be forced) - image is referenced in multiple repositories; remove \
             its names one by one, or all with --force: {}",
            all.join(", ")
        )))
    }
}

/// The refusal of an image that a container uses, in Docker's words, which differ where it was meant by its ID;
/// any other error as it is.
async fn conflict(session: &Session, named: &Named, by_id: bool, error: Error) -> Error {
    let all = session.services.containers.list(&session.scope, &[]).await.unwrap_or_default();
    let user = all.into_iter().find(|one| one.image == named.name);
    let (Kind::FailedPrecondition, Some(container)) = (error.kind(), user) else { return error };
    let image = find::present(session, named).await.ok().flatten();
    let id = image.map_or(named.target.digest, |image| image.id()).short();
    let user = &container.id[..container.id.len().min(12)];
    let said = match (by_id, Status::of(&session.base.place(&container.id))) {
        (true, Status::Running { .. }) => format!(
            "conflict: unable to delete {id} (must be forced) - image is being used by running container {user}"
        ),
        (true, _) => format!(
            "conflict: unable to delete {id} (must be forced) - image is being used by stopped container {user}"
        ),
        (false, _) => format!(
            "conflict: unable to remove repository reference {:?} (must force) - container {user} is using its \
             referenced image {id}",
            removal::familiar(&named.name)
        ),
    };
    Error::precondition(format!("{said}; remove that container first"))
}

fn line(done: &Done) -> String {
    match done {
        Done::Untagged(name) => format!("Untagged: {name}"),
        Done::Deleted(id) => format!("Deleted: {id}"),
    }
}
