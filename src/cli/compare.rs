//! `slalom compare`.

use clap::Args;

use super::PromptArgs;

/// Ask several models at once.
#[derive(Clone, Debug, Args)]
pub struct CompareArgs {
    /// The prompt; what is piped in follows it
    #[arg(value_name = "PROMPT")]
    pub prompt: Vec<String>,
    /// The models, as for `ask` (repeatable, or separated by commas)
    #[arg(short, long = "model", value_name = "MODEL", value_delimiter = ',', required = true)]
    pub models: Vec<String>,
    /// The prompt and how it is sent.
    #[command(flatten)]
    pub request: PromptArgs,
}
