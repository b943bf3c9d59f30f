use clap::Args;

use super::RequestArgs;

const EXAMPLES: &str = "\
Examples:
  slalom ask -m sim-openai/good \"Why is the sky blue?\"  # no API key needed
  git diff | slalom ask -m haiku \"Write a commit message:\"
  slalom ask --schema examples/weather.json \"Is it warm in Rome?\"
  slalom ask --json \"Hello\" | jq .cost_usd";

/// Send a prompt to one model, or to the default route
///
/// The answer goes to stdout; warnings and a summary line go to stderr. With a route, slalom retries a failed candidate or
/// fails over to the next one.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct AskArgs {
    /// Model, alias, or route:NAME [default: the default route]
    ///
    /// A model is written as provider/model. A model that is missing from the catalog works too; its price and context
    /// window are unknown.
    #[arg(short, long, value_name = "MODEL", help_heading = "Routing")]
    pub model: Option<String>,
    /// Choose the model from an interactive list
    ///
    /// Needs a terminal. Cannot be combined with --model.
    #[arg(long, conflicts_with = "model", help_heading = "Routing")]
    pub pick: bool,
    /// Prompt text; text from stdin is appended to it
    ///
    /// Words are joined with spaces. The request contains, in this order: attached images and PDFs, the prompt text, text
    /// files, stdin. Write `--` before a prompt that starts with `-`.
    #[arg(value_name = "PROMPT", display_order = 0, help_heading = "Prompt")]
    pub prompt: Vec<String>,
    #[command(flatten)]
    pub request: RequestArgs,
    /// Stream the answer to a pipe too [default: terminal only]
    ///
    /// An answer that is not streamed is printed when it is complete, so a failed candidate leaves no partial output.
    /// Cannot be combined with --no-stream or --json.
    #[arg(long, conflicts_with_all = ["no_stream", "json"], display_order = 0, help_heading = "Output")]
    pub stream: bool,
}
