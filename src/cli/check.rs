use std::path::PathBuf;

use clap::Args;

const EXAMPLES: &str = "\
Examples:
  slalom check golden-sets/*.yaml
  slalom check --ping openai,anthropic
  slalom check --trust";

/// Validate routes.yaml and golden sets, and show which API keys are set
///
/// Exits 2 if a file is invalid. Shows where each API key was found, never the key. Sends nothing, except with --ping.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct CheckArgs {
    /// Golden sets to validate as well
    #[arg(value_name = "SET", display_order = 0, help_heading = "Checks")]
    pub sets: Vec<PathBuf>,
    /// Trust the project's routes.yaml as it is now
    ///
    /// Read the file first. A trusted file may run commands, send keys and prompts to the hosts that it names, and let
    /// golden sets read files outside their folder. After any edit, it must be trusted again.
    #[arg(long, display_order = 1, help_heading = "Checks")]
    pub trust: bool,
    /// Send a tiny request to each provider
    ///
    /// Sends one request (at most 16 tokens, 15 s) to one model of each provider that a route or alias names, or of the
    /// given providers, separated by spaces or commas. Costs a few tokens and updates the provider's health. Put golden
    /// sets before --ping: words after it are read as providers. Exits 3 if a provider fails, 2 if none can be called.
    #[arg(long, value_name = "PROVIDER", num_args = 0.., value_delimiter = ',', display_order = 2, help_heading = "Checks")]
    pub ping: Option<Vec<String>>,
    /// Print the results of --ping as JSON [requires --ping]
    #[arg(long, requires = "ping", help_heading = "Output")]
    pub json: bool,
}
