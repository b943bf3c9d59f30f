//! `slalom models`.

use clap::Args;

/// List the models that are known.
#[derive(Clone, Debug, Args)]
pub struct ModelsArgs {
    /// Only models whose provider/model contains this text
    #[arg(value_name = "TEXT", conflicts_with_all = ["update", "available"])]
    pub search: Option<String>,
    /// Ask providers which models they serve: these, or all whose key is set
    #[arg(long, value_name = "PROVIDER", num_args = 0.., conflicts_with = "update")]
    pub available: Option<Vec<String>>,
    /// Put newer prices and windows before the shipped ones, from `openrouter`, or from a file: CSV in the shipped
    /// columns, JSON as OpenRouter's /api/v1/models or as models.dev has it
    #[arg(long, value_name = "openrouter|FILE")]
    pub update: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
