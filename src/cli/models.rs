//! `slalom models`.

use clap::Args;

/// List the models that are known.
#[derive(Clone, Debug, Args)]
pub struct ModelsArgs {
    /// Only models whose provider/model contains this text
    #[arg(value_name = "TEXT")]
    pub search: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
