//! `varve commit`.

use clap::{ArgAction, Args};
use varve_core::{Error, Reference};

use crate::args::Global;
use crate::container::commit::{self, Wish};
use crate::container::find;
use crate::container::place::Base;
use crate::failure::Result;
use crate::import::Change;
use crate::life;
use crate::session::Session;

/// Make an image out of what a container changed
///
/// Its changes become a layer on the image that it was made of. What is in volumes is not part of it. Prints the
/// image's ID.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  varve commit web site:2\n  \
    varve commit --change 'CMD [\"/bin/server\"]' -m 'with data' web site:3")]
pub struct Commit {
    /// By name, by ID or the start of one
    #[arg(value_name = "CONTAINER")]
    container: String,
    /// The image's name; its tag is `latest` where it has none
    #[arg(value_name = "NAME")]
    name: Option<Reference>,
    /// Who made it
    #[arg(long, short, value_name = "TEXT", default_value = "")]
    author: String,
    /// What its history says of it
    #[arg(long, short, value_name = "TEXT", default_value = "")]
    message: String,
    /// An instruction of a Dockerfile, as for `varve import`; may be given again
    #[arg(long, short, value_name = "INSTRUCTION")]
    change: Vec<Change>,
    /// Whether the program stands still meanwhile
    #[arg(long, short, value_name = "BOOL", action = ArgAction::Set)]
    #[arg(default_value_t = true, default_missing_value = "true", num_args = 0..=1, require_equals = true)]
    pause: bool,
}

impl Commit {
    pub async fn run(self, global: &Global) -> Result<()> {
        if let Some(name) = self.name.as_ref().filter(|name| name.digest().is_some()) {
            let message = format!("{name}: a digest names itself; give a name with a tag");
            return Err(Error::invalid(message).into());
        }
        let base = Base::of(global)?;
        let work = async |session: &Session| {
            let found = find::find(session, &base, &self.container).await?;
            let wish = Wish {
                name: self.name,
                author: self.author,
                message: self.message,
                changes: self.change,
                pause: self.pause,
            };
            let made = commit::commit(session, &found, &wish).await?;
            session.output.lines(std::slice::from_ref(&made.id), &made)
        };
        life::with(global, work).await
    }
}
