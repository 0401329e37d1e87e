//! `varve export`.

use clap::Args;

use crate::args::Global;
use crate::commands::save;
use crate::container::export;
use crate::container::find;
use crate::container::place::Base;
use crate::failure::Result;
use crate::life;
use crate::session::Session;

/// Write the whole tree of a container to a tar
///
/// What `varve import` makes an image of again. What is in volumes is not part of it.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  varve export --output web.tar web\n  varve export web | tar -t"
)]
pub struct Export {
    /// By name, by ID or the start of one
    #[arg(value_name = "CONTAINER")]
    container: String,
    /// The file to write, which is there once it is whole [default: standard output]
    // The same id as the global option, whose place it takes here, as Docker has it.
    #[arg(id = "output", long, short, value_name = "FILE")]
    file: Option<String>,
}

impl Export {
    pub async fn run(self, global: &Global) -> Result<()> {
        let target = save::target(self.file)?;
        let base = Base::of(global)?;
        let work = async |session: &Session| {
            let found = find::find(session, &base, &self.container).await?;
            export::export(session, &found, target).await.map_err(save::failure)
        };
        life::with(global, work).await
    }
}
