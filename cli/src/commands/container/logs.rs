//! `varve logs`: what a container has printed, and prints.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::time::Duration;

use clap::Args;
use varve_core::{Error, Result};

use crate::args::Global;
use crate::container::find::{self, Found};
use crate::container::monitor::log::Entry;
use crate::container::place::Base;
use crate::failure;
use crate::life;
use crate::output;

/// How often a log that is followed is looked at.
const POLL: Duration = Duration::from_millis(100);

/// Show what a container has printed
///
/// What it printed to its error output comes to this command's.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  varve logs web\n  varve logs -f --tail 10 web")]
pub struct Logs {
    /// By name, by ID or the start of one
    #[arg(value_name = "CONTAINER")]
    container: String,
    /// Go on until the container ends
    #[arg(long, short)]
    follow: bool,
    /// Only so many lines from the end, or all
    #[arg(long, value_name = "LINES", default_value = "all", value_parser = tail)]
    tail: usize,
    /// The time of each line before it
    #[arg(long, short)]
    timestamps: bool,
}

fn tail(text: &str) -> Result<usize, String> {
    match text {
        "all" => Ok(usize::MAX),
        number => number.parse().map_err(|_| "want a number, or all".into()),
    }
}

impl Logs {
    pub async fn run(self, global: &Global) -> failure::Result<()> {
        let base = Base::of(global)?;
        let text = self.container.clone();
        let work =
            async |session: &crate::session::Session| Ok(find::find(session, &base, &text).await?);
        let found = life::with(global, work).await?;
        let Some(mut reader) = open(&found)? else { return Ok(()) };
        self.begin(&mut reader)?;
        if self.follow { self.go_on(&found, &mut reader).await } else { Ok(()) }
    }

    async fn go_on(&self, found: &Found, reader: &mut BufReader<File>) -> failure::Result<()> {
        loop {
            // Asked first: what it prints last is read after that.
            let running = found.status().is_running();
            self.show(&read(reader)?)?;
            if !running {
                return Ok(());
            }
            tokio::select! {
                () = tokio::time::sleep(POLL) => {}
                _ = tokio::signal::ctrl_c() => {
                    return Err(failure::Failure::Interrupted { resumes: false });
                }
            }
        }
    }

    fn begin(&self, reader: &mut BufReader<File>) -> failure::Result<()> {
        let entries = read(reader)?;
        let skip = entries.len().saturating_sub(self.tail);
        self.show(&entries[skip..])
    }

    fn show(&self, entries: &[Entry]) -> failure::Result<()> {
        for entry in entries {
            let text = match self.timestamps {
                true => format!("{} {}", entry.time, entry.log),
                false => entry.log.clone(),
            };
            match entry.stream.as_str() {
                "stderr" => drop(io::stderr().write_all(text.as_bytes())),
                _ => output::write(text.as_bytes())?,
            }
        }
        Ok(())
    }
}

/// The log; `None` where the container never ran.
fn open(found: &Found) -> Result<Option<BufReader<File>>> {
    let path = found.place.log();
    match File::open(&path) {
        Ok(file) => Ok(Some(BufReader::new(file))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io(path.display(), error)),
    }
}

/// The whole lines that there are from here on.
fn read(reader: &mut BufReader<File>) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    loop {
        let mut line = String::new();
        let length = reader.read_line(&mut line).map_err(|error| Error::io("the log", error))?;
        if !line.ends_with('\n') {
            // Its end is being written.
            let back = i64::try_from(length).unwrap_or_default();
            reader.seek_relative(-back).map_err(|error| Error::io("the log", error))?;
            return Ok(entries);
        }
        // One that a full disk has cut off is passed over.
        entries.extend(serde_json::from_str::<Entry>(&line));
    }
}
