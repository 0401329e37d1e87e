//! `varve plan`: what a pull would do.

use clap::Args;
use varve_core::{Platform, Reference};

use crate::args::SnapshotterArg;
use crate::failure::Result;
use crate::output::size;
use crate::output::table::Table;
use crate::pull::{self, Logins, Plan as Planned, Wish};
use crate::session::Session;

/// Tell what a pull would do, and do nothing
///
/// The registry is asked, and nothing is written: which platform would be pulled and why, what is here already, how
/// much would be downloaded, how much it takes on disk, and whether there is room.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  varve plan alpine\n  \
    varve plan --platform linux/arm64 debian:stable --output json")]
pub struct Plan {
    /// Its name, as for `varve pull`
    #[arg(value_name = "REF", add = crate::complete::images())]
    reference: Reference,
    /// The platform to pull for, such as linux/arm64 [default: this machine's]
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<Platform>,
    /// Speak http to a registry that is not on this machine
    #[arg(long)]
    plain_http: bool,
    #[command(flatten)]
    snapshotter: SnapshotterArg,
    /// For a pull that only downloads
    #[arg(long)]
    no_unpack: bool,
}

impl Plan {
    pub async fn run(self, session: &Session) -> Result<()> {
        let snapshotter = match self.no_unpack {
            true => None,
            false => {
                let name = self.snapshotter.snapshotter.as_deref();
                Some(session.services.snapshotter(name).await?)
            }
        };
        let logins = Logins::load().await?;
        let remote = logins.remote(self.reference, self.plain_http).await?;
        let mut wish = Wish { remote, platform: self.platform, one_of_several: false, snapshotter };
        let planned = loop {
            match pull::plan(&session.services, &session.scope, &wish).await {
                Err(error) if logins.add(&mut wish.remote, &error).await? => {}
                planned => break planned?,
            }
        };
        session.output.lines(&lines(&planned), &planned)
    }
}

fn lines(plan: &Planned) -> Vec<String> {
    let fact = |name: &str, value: &str| format!("{:<13}{value}", format!("{name}:"));
    let mut lines = vec![
        fact("Name", &plan.name),
        fact("Digest", &plan.digest),
        fact("Image ID", &plan.id),
        fact("Platform", &format!("{}: {}", plan.platform, plan.why)),
    ];
    if !plan.offered.is_empty() {
        lines.push(fact("Offered", &plan.offered.join(", ")));
    }
    if let Some(snapshotter) = &plan.snapshotter {
        lines.push(fact("Snapshotter", snapshotter));
    }
    lines.extend(layers(plan).to_string().lines().map(str::to_owned));
    lines.push(fact("Download", &size::exact(plan.download)));
    if plan.snapshotter.is_some() {
        lines.push(fact("Unpacked", &about(plan.unpack)));
    }
    for room in &plan.rooms {
        let (needed, free) = (about(room.needed), size::exact(room.free));
        let fits = if room.needed <= room.free { "" } else { ": it does not fit" };
        lines.push(fact("Disk", &format!("{needed} of {free} free in {}{fits}", room.dir)));
    }
    lines.push(fact("Status", status(plan)));
    lines
}

fn layers(plan: &Planned) -> Table {
    let mut table = Table::new(&["LAYER", "SIZE", "DOWNLOAD", "UNPACK"]);
    for layer in &plan.layers {
        let word = |done: bool| if done { "here" } else { "to do" }.to_owned();
        let unpack = match plan.snapshotter {
            Some(_) => word(layer.unpacked),
            None => "no".to_owned(),
        };
        let id = layer.digest["sha256:".len()..][..12].to_owned();
        table.row([id, size::exact(layer.size), word(layer.downloaded), unpack]);
    }
    table
}

/// What is unpacked no manifest tells exactly.
fn about(bytes: u64) -> String {
    let word = if bytes == 0 { "" } else { "about " };
    format!("{word}{}", size::exact(bytes))
}

fn status(plan: &Planned) -> &'static str {
    let short = plan.rooms.iter().any(|room| room.needed > room.free);
    match plan.up_to_date {
        true => "up to date: a pull has nothing to do",
        false if short => "a pull is refused: there is not enough room",
        false => "a pull would bring it",
    }
}
