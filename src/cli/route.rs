use clap::Args;

use super::RequestArgs;

const EXAMPLES: &str = "\
Examples:
  slalom route  # status of all candidates
  slalom route demo \"Why is the sky blue?\"
  slalom route demo --dry-run \"Why is the sky blue?\"
  slalom route demo --drill each \"Hello\"  # exit 1 if an outage breaks it";

/// Send a prompt through a fallback chain, or show candidate status
///
/// A route is a named fallback chain in routes.yaml. slalom tries its candidates in order; the class of a failure decides
/// whether it retries, fails over, or stops. Candidates with an open circuit breaker are skipped while another one is
/// available.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct RouteArgs {
    /// Route; without a prompt, show candidate status
    ///
    /// Without NAME, the status of all routes is shown. With NAME, the status of that route is shown if there is no
    /// prompt, no --file, no --messages, and stdin is not a pipe or a file. Nothing is sent.
    #[arg(value_name = "NAME", display_order = 0, help_heading = "Routing")]
    pub name: Option<String>,
    /// Explain the plan; send nothing
    ///
    /// Shows the order of the candidates, skipped candidates with reasons, expected tokens, cost, and time, and what
    /// follows each class of failure. Requires NAME and a prompt.
    #[arg(long, requires = "name", display_order = 1, help_heading = "Routing")]
    pub dry_run: bool,
    /// Simulate an outage; `each` takes down each in turn
    ///
    /// TARGET is a provider, a provider/model, or an alias among the candidates. FAULT is one of `down`, an HTTP status
    /// from 400 to 599, `slow:DURATION`, `stall`, `cut`, `malformed`, and `empty`; `429:20%` affects 20% of the
    /// attempts.
    ///
    /// `--drill each` takes every candidate down in turn, then all of them, and prints a table. It cannot be combined
    /// with other drills or --stream. The exit code is 1 if an outage leaves the route without an answer. Candidates that are not down are
    /// called and billed as usual. Drills change neither stored health nor the daily budget. Requires NAME; cannot be
    /// combined with --dry-run.
    #[arg(
        long,
        value_name = "TARGET=FAULT",
        requires = "name",
        conflicts_with = "dry_run",
        display_order = 2,
        help_heading = "Routing"
    )]
    pub drill: Vec<String>,
    /// Clear the stored health of the candidates
    ///
    /// Closes circuit breakers, ends cooldowns and waits, discards measured latencies and limit counters, and restores
    /// weights that `eval --reweight` changed. Without NAME, applies to all routes.
    #[arg(
        long,
        conflicts_with_all = ["prompt", "dry_run", "drill", "label", "stream", "file", "messages", "system", "json"],
        help_heading = "Routing"
    )]
    pub reset: bool,
    /// Enable candidates with `when: {label: LABEL}`
    ///
    /// A candidate with such a condition is skipped if the label is missing or different. Requires NAME.
    #[arg(long, value_name = "LABEL", requires = "name", help_heading = "Routing")]
    pub label: Option<String>,
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
