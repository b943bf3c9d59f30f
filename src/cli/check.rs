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
}
