//! Which images a person means, and under which names they go into the archive.

use varve_core::images::Image as Named;
use varve_core::{Reference, Result};

use crate::find::{self, Found};
use crate::session::Session;

/// An image to save.
pub struct Meant {
    /// As it was asked for, for messages.
    pub text: String,
    pub named: Named,
    /// The name that it has in the archive; none where it was asked for by its ID, as with Docker.
    pub name: Option<Reference>,
}

/// Finds one.
pub async fn find(session: &Session, text: &str) -> Result<Meant> {
    let found = find::find(session, text).await?;
    let name = match &found {
        // What is no reference (a dangling image's name) is no name for others.
        Found::Name(named) => named.name.parse().ok(),
        Found::Id(_) => None,
    };
    Ok(Meant { text: text.to_owned(), named: found.first().clone(), name })
}
