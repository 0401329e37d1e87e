//! `varve health`: whether services answer, for compose files, units and scripts.

use clap::Args;
use serde::Serialize;
use varve_core::{Error, Kind, Result};
use varve_rpc::Address;
use varve_rpc::channel::{channel, greet};

use crate::args::Global;
use crate::failure;
use crate::output::Output;
use crate::root;
use crate::services::{remote, routes};

/// Ask services whether they serve
///
/// Exits with 0 only where all of them say so. Asks those of --address or --config, else whoever owns
/// the root; opens nothing itself.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  varve --address unix:///run/varve/fetcher.sock health")]
pub struct Health {}

#[derive(Serialize)]
struct Asked {
    address: String,
    serving: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl Health {
    pub async fn run(self, global: &Global) -> failure::Result<()> {
        let mut all = Vec::new();
        for address in addresses(global)? {
            all.push(ask(&address).await);
        }
        let line = |asked: &Asked| match &asked.reason {
            None => format!("{}: serving", asked.address),
            Some(reason) => format!("{}: {reason}", asked.address),
        };
        let lines: Vec<_> = all.iter().map(line).collect();
        Output { format: global.format() }.lines(&lines, &all)?;
        match all.iter().all(|asked| asked.serving) {
            true => Ok(()),
            false => Err(Error::new(Kind::Unavailable, "not all of them serve; start them").into()),
        }
    }
}

/// Those that were named, else the root's owner.
fn addresses(global: &Global) -> Result<Vec<Address>> {
    let named = remote::named(global)?;
    if !named.is_empty() {
        return Ok(named);
    }
    Ok(vec![routes::address(&root::path(global.root.as_deref())?)])
}

async fn ask(address: &Address) -> Asked {
    let reason = greet(&channel(address)).await.err().map(|error| error.chain());
    Asked { address: address.to_string(), serving: reason.is_none(), reason }
}
