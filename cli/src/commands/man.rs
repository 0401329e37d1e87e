//! `varve man DIR`: a manual page of each command, from what its `--help` says. Behind the feature `man`: it is a step of
//! a build, and what is built does without.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Command, CommandFactory};
use clap_mangen::Man as Renderer;
use varve_core::Error;

use crate::args::Cli;
use crate::failure::Result;

/// Write a manual page of each command to a directory
#[derive(Args, Debug)]
#[command(hide = true, after_help = "Example:\n  varve man /usr/local/share/man/man1")]
pub struct Man {
    #[arg(value_name = "DIR")]
    dir: PathBuf,
}

impl Man {
    pub fn run(self) -> Result<()> {
        write(&self.dir).map_err(|error| Error::io(self.dir.display(), error))?;
        Ok(())
    }
}

/// `varve.1`, `varve-images-ls.1`…
fn write(dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    let cli = command();
    for (name, command) in pages("varve", &cli) {
        fs::write(dir.join(format!("{name}.1")), page(&name, command)?)?;
    }
    Ok(())
}

fn command() -> Command {
    // It would be told of on each page, and has none.
    let mut cli = Cli::command().disable_help_subcommand(true);
    cli.build();
    cli
}

/// The commands that a person sees, with those below them.
fn pages<'a>(name: &str, command: &'a Command) -> Vec<(String, &'a Command)> {
    let shown = |it: &&Command| !it.is_hide_set();
    let below = command.get_subcommands().filter(shown);
    let below = below.flat_map(|it| pages(&format!("{name}-{}", it.get_name()), it));
    std::iter::once((name.to_owned(), command)).chain(below).collect()
}

fn page(name: &str, command: &Command) -> io::Result<Vec<u8>> {
    let man = Renderer::new(command.clone().name(name.to_owned()))
        .title(name.to_uppercase())
        .manual("Varve");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.get_subcommands().any(|it| !it.is_hide_set()) {
        man.render_subcommands_section(&mut page)?;
    }
    examples(command, &mut page)?;
    Ok(page)
}

/// What stands below a command's help, line for line.
fn examples(command: &Command, page: &mut Vec<u8>) -> io::Result<()> {
    let Some(text) = command.get_after_help() else { return Ok(()) };
    writeln!(page, ".SH EXAMPLES\n.nf")?;
    for line in text.to_string().lines().skip(1) {
        writeln!(page, "\\&{}", line.trim_start().replace('\\', "\\e").replace('-', "\\-"))?;
    }
    writeln!(page, ".fi")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_command_has_a_page_with_an_example() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path()).unwrap();
        let cli = command();
        let pages = pages("varve", &cli);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), pages.len());
        for (name, command) in pages {
            let page = fs::read_to_string(dir.path().join(format!("{name}.1"))).unwrap();
            let (_, examples) = page.split_once(".SH EXAMPLES\n.nf\n").expect(&name);
            let words = name.replace('-', " ");
            let first = words.split(' ').next().unwrap();
            assert!(examples.starts_with("\\&") && examples.contains(first), "{name}: {examples}");
            let about = command.get_about().unwrap().to_string();
            assert!(page.contains(&about[..10]), "{name} does not say what it is");
        }
        for known in ["varve", "varve-pull", "varve-images-prune", "varve-system-df"] {
            assert!(dir.path().join(format!("{known}.1")).is_file(), "{known}");
        }
        assert!(!dir.path().join("varve-man.1").exists(), "it is no command of a person's");
    }
}
