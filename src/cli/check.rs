//! `slalom check`.

use std::path::PathBuf;

use clap::Args;

/// Check routes.yaml and golden sets.
#[derive(Clone, Debug, Args)]
pub struct CheckArgs {
    /// Golden sets to check as well
    #[arg(value_name = "SET")]
    pub sets: Vec<PathBuf>,

    /// Trust the project's routes.yaml as it is now
    #[arg(long)]
    pub trust: bool,

    /// Send one tiny request to a model of each provider that a route or an alias names, or of these; it costs what its few
    /// tokens cost, and health learns from it; golden sets stand before it
    #[arg(long, value_name = "PROVIDER", num_args = 0.., value_delimiter = ',')]
    pub ping: Option<Vec<String>>,

    /// Print what came of --ping as JSON
    #[arg(long, requires = "ping")]
    pub json: bool,
}
