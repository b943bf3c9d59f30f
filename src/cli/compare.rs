//! `slalom compare`.

use clap::Args;

use super::RequestArgs;

/// Ask several models at once.
#[derive(Clone, Debug, Args)]
pub struct CompareArgs {
    /// The prompt; what is piped in follows it
    #[arg(value_name = "PROMPT")]
    pub prompt: Vec<String>,
    /// The models, as for `ask` (repeatable, or separated by commas)
    #[arg(short, long = "model", value_name = "MODEL", value_delimiter = ',', required = true)]
    pub models: Vec<String>,
    /// Have a model or route say which answers are better, each pair in both orders
    #[arg(long, value_name = "MODEL")]
    pub judge: Option<String>,
    /// What makes an answer better, for the judge
    #[arg(long, value_name = "TEXT", requires = "judge")]
    pub rubric: Option<String>,
    /// The prompt and how it is sent.
    #[command(flatten)]
    pub request: RequestArgs,
}
