//! `varve completion`.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::args::Cli;
use crate::failure::Result;
use crate::output;

/// Write the completion script of a shell to stdout
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  source <(varve completion bash)\n  \
    varve completion fish > ~/.config/fish/completions/varve.fish")]
pub struct Completion {
    #[arg(value_enum, value_name = "SHELL")]
    shell: Shell,
}

impl Completion {
    pub fn run(self) -> Result<()> {
        output::write(&script(self.shell))
    }
}

fn script(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "varve", &mut script);
    script
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_completes_every_command() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let script = String::from_utf8(script(shell)).unwrap();
            for word in ["pull", "images", "snapshots", "no-unpack"] {
                assert!(script.contains(word), "{shell}: {word}");
            }
        }
    }
}
