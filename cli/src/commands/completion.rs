//! `varve completion`: what a shell reads to ask this command for completions.

use clap::Args;
use clap::builder::PossibleValuesParser;
use clap_complete::env::Shells;
use varve_core::Error;

use crate::complete;
use crate::failure::Result;
use crate::output;

const SHELLS: [&str; 5] = ["bash", "elvish", "fish", "powershell", "zsh"];
/// Ours, as images' names have colons.
const BASH: &str = include_str!("completion/varve.bash");

/// Write the completion script of a shell to stdout
///
/// The script asks the command itself for what fits: commands, options, their values, files, and the names of images,
/// blobs and snapshots that are here.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  source <(varve completion bash)\n  \
    varve completion fish > ~/.config/fish/completions/varve.fish")]
pub struct Completion {
    #[arg(value_name = "SHELL", value_parser = PossibleValuesParser::new(SHELLS))]
    shell: String,
}

impl Completion {
    pub fn run(self) -> Result<()> {
        output::write(&script(&self.shell)?)
    }
}

fn script(shell: &str) -> varve_core::Result<Vec<u8>> {
    if shell == "bash" {
        return Ok(BASH.into());
    }
    let shells = Shells::builtins();
    let unknown = || Error::invalid(format!("no completion for {shell}"));
    let shell = shells.completer(shell).ok_or_else(unknown)?;
    let mut script = Vec::new();
    let written =
        shell.write_registration(complete::VARIABLE, "varve", "varve", "varve", &mut script);
    written.map_err(|error| Error::internal("writing a completion script").with_source(error))?;
    Ok(script)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_asks_by_the_variable_that_is_answered() {
        for shell in SHELLS {
            let script = String::from_utf8(script(shell).unwrap()).unwrap();
            assert!(script.contains(complete::VARIABLE), "{shell}");
        }
    }
}
