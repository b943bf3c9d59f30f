//! What `ask`, `route` and `compare` share.

use std::path::PathBuf;

use clap::Args;

/// A prompt and how it is sent.
#[derive(Clone, Debug, Default, Args)]
pub struct RequestArgs {
    /// Put the text of a file into the prompt, or attach a picture, a PDF, or a picture by its URL (repeatable)
    #[arg(short, long, value_name = "FILE|URL")]
    pub file: Vec<String>,
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
    /// How hard to think: none, minimal, low, medium, high, xhigh or max
    #[arg(long, value_name = "LEVEL")]
    pub effort: Option<String>,
    /// The JSON Schema that the answer must be valid under; one that is not exits 1
    #[arg(long, value_name = "FILE")]
    pub schema: Option<PathBuf>,
    /// Tools that the model may call, as a JSON list; calls are printed, not run
    #[arg(long, value_name = "FILE")]
    pub tools: Option<PathBuf>,
    /// Which tools to call: auto, none, required, or the name of one
    #[arg(long, value_name = "CHOICE", requires = "tools")]
    pub tool_choice: Option<String>,
    /// Let the model call one tool at a time
    #[arg(long, requires = "tools")]
    pub no_parallel_tool_calls: bool,
    /// The conversation so far, as a JSON list of turns; the prompt follows it
    #[arg(long, value_name = "FILE")]
    pub messages: Option<PathBuf>,
    /// Ask the provider to keep the prompt for the next call, for some minutes or for an hour
    #[arg(long, value_name = "5m|1h", num_args = 0..=1, require_equals = true, default_missing_value = "5m")]
    pub cache_prompt: Option<String>,
    /// What only one provider has, in its own words (repeatable)
    #[arg(long = "option", value_name = "PROVIDER.KEY=VALUE")]
    pub options: Vec<String>,
    /// Fail before the call where a model would get less than was asked for, instead of warning
    #[arg(long)]
    pub strict_params: bool,
    /// The longest that the whole call may take, for example 90s
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true)]
    pub timeout: Option<String>,
    /// The most that everything this command sends may cost, in dollars; a call that could go beyond it is not made
    #[arg(long, value_name = "USD", allow_hyphen_values = true)]
    pub max_cost: Option<String>,
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
