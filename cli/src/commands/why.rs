//! `varve why`: what keeps a blob or a snapshot.

mod meant;
mod told;

use clap::Args;
use varve_core::Result;

use crate::failure;
use crate::reach::{Graph, Place};
use crate::session::Session;
use told::Told;

/// Ways that are shown of one place.
const SHOWN: usize = 10;

/// Tell what keeps a blob, a snapshot or an image from being collected
///
/// Shows the way from each root (an image's name, a lease, a container, a mount) down to it, a line a step, with
/// what makes the step: a label, a snapshot's parent, what a lease holds.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  varve why f83af2dc569a\n  varve why alpine\n  \
    varve why sha256:b3bc74053c32300875e8b6753e9f1354a50c81dd9bef9571b4090bdad422e60b --output json")]
pub struct Why {
    /// A digest, a snapshot's key or an image's ID, or the start of one; or an image's name
    #[arg(value_name = "DIGEST|SNAPSHOT|IMAGE", add = crate::complete::kept())]
    what: String,
}

impl Why {
    pub async fn run(self, session: &Session) -> failure::Result<()> {
        let graph = Graph::load(session).await?;
        let mut told = Vec::new();
        for place in meant::find(session, &graph, &self.what).await? {
            told.push(tell(session, &graph, place).await?);
        }
        let lines: Vec<String> = told.iter().flat_map(Told::lines).collect();
        session.output.lines(&lines, &told)
    }
}

async fn tell(session: &Session, graph: &Graph, place: Place) -> Result<Told> {
    let sizes = graph.sizes(session, [place.clone()]).await?;
    let size = sizes.get(&place).map_or(0, |size| size.disk);
    let mut ways = graph.ways(&place);
    let more = ways.len().saturating_sub(SHOWN);
    ways.truncate(SHOWN);
    let mut told = Told::new(&place, size, &ways, more);
    // The collector has the last word: it knows of snapshotters that are away.
    if ways.is_empty() {
        told.collected = goes(session, &place).await?;
    }
    Ok(told)
}

/// Whether the next collection takes it.
async fn goes(session: &Session, place: &Place) -> Result<bool> {
    let collected = session.services.collector.collect(true).await?;
    Ok(crate::reclaim::places(session, &collected).any(|gone| gone == *place))
}
