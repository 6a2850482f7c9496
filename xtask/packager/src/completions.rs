//! `scorebox completions`: prints the script by which a shell completes commands and flags.
//!
//! Owns the flags. Must not know any command: `run` gets the definition of the command line.

use clap::Args;
use clap_complete::Shell;

/// Flags of `scorebox completions`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  scorebox completions bash > ~/.local/share/bash-completion/completions/scorebox\n  \
                  scorebox completions zsh > ~/.zfunc/_scorebox\n  \
                  scorebox completions fish > ~/.config/fish/completions/scorebox.fish"
)]
pub struct CompletionsArgs {
    /// The shell to print the script for.
    #[arg(value_name = "SHELL", value_enum)]
    pub shell: Shell,
}

/// Prints the script by which a shell completes commands and flags to standard output. `command` is
/// the definition of the command line of `scorebox`.
pub fn run(args: &CompletionsArgs, mut command: clap::Command) {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "scorebox", &mut script);
    print!("{}", String::from_utf8_lossy(&script));
}
