//! What `ask`, `route` and `compare` share.

use std::path::PathBuf;

use clap::Args;

/// A prompt and how it is sent.
#[derive(Clone, Debug, Default, Args)]
pub struct PromptArgs {
    /// Put the text of a file into the prompt (repeatable)
    #[arg(short, long, value_name = "FILE")]
    pub file: Vec<PathBuf>,
    /// Instructions that stand above the prompt
    #[arg(short, long, value_name = "TEXT")]
    pub system: Option<String>,
    /// Set a {{ variable }} of the prompt (repeatable)
    #[arg(short = 'p', long = "var", value_name = "NAME=VALUE")]
    pub variables: Vec<String>,
    /// Sampling temperature
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    pub temperature: Option<f64>,
    /// Share of the probability mass to sample from
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true)]
    pub top_p: Option<f64>,
    /// The most tokens that may come out
    #[arg(long, value_name = "TOKENS", allow_negative_numbers = true)]
    pub max_tokens: Option<u64>,
    /// A text that ends the answer (repeatable)
    #[arg(long, value_name = "TEXT")]
    pub stop: Vec<String>,
    /// Ask for the same sampling each time
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    pub seed: Option<i64>,
    /// The longest that the whole call may take, for example 90s
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true)]
    pub timeout: Option<String>,
    /// Ask for a whole answer on the wire
    #[arg(long)]
    pub no_stream: bool,
    /// Print one JSON object with the answer and everything that happened on the way
    #[arg(long)]
    pub json: bool,
    /// Leave standard input alone
    #[arg(long)]
    pub no_stdin: bool,
}
