use clap::Args;

use super::RequestArgs;

const EXAMPLES: &str = "\
Examples:
  slalom compare -m sim-openai/good,sim-gemini/terse \"Why is the sky blue?\"
  slalom compare -m haiku,luna,flash -f report.pdf \"Summarize:\"
  slalom compare -m haiku,luna --judge opus --rubric \"Clear\" \"Explain TCP\"";

/// Send one prompt to several models and show the answers side by side
///
/// The models are called in parallel. The exit code is that of the worst result: 3 if a model gives no answer or a verdict
/// is missing, 1 if an answer violates --schema.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct CompareArgs {
    /// Two or more models or routes (repeat, or use commas)
    ///
    /// Each is provider/model, an alias, or route:NAME.
    #[arg(
        short,
        long = "model",
        value_name = "MODEL",
        value_delimiter = ',',
        required = true,
        help_heading = "Comparison"
    )]
    pub models: Vec<String>,
    /// Let a model or route judge the answers pairwise
    ///
    /// Each pair is judged in both orders; a verdict counts only if both agree, else it is a tie. The judge does not see
    /// which model wrote an answer.
    #[arg(long, value_name = "MODEL", help_heading = "Comparison")]
    pub judge: Option<String>,
    /// Criterion for the judge [requires --judge]
    ///
    /// Default: the better answer is correct, does what was asked, and is concise.
    #[arg(long, value_name = "TEXT", requires = "judge", help_heading = "Comparison")]
    pub rubric: Option<String>,
    /// Prompt text; text from stdin is appended to it
    ///
    /// Words are joined with spaces. The request contains, in this order: attached images and PDFs, the prompt text, text
    /// files, stdin. Write `--` before a prompt that starts with `-`.
    #[arg(value_name = "PROMPT", display_order = 0, help_heading = "Prompt")]
    pub prompt: Vec<String>,
    #[command(flatten)]
    pub request: RequestArgs,
}
