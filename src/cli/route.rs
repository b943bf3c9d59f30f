//! `slalom route`.

use clap::Args;

use super::PromptArgs;

/// Ask through a named fallback chain.
#[derive(Clone, Debug, Args)]
pub struct RouteArgs {
    /// The route; without one, all routes are listed
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    /// The prompt; what is piped in follows it
    #[arg(value_name = "PROMPT")]
    pub prompt: Vec<String>,
    /// Print the plan and send nothing
    #[arg(long, requires = "name")]
    pub dry_run: bool,
    /// Show the answer as it arrives, into a pipe too
    #[arg(long, conflicts_with_all = ["no_stream", "json"])]
    pub stream: bool,
    /// The prompt and how it is sent.
    #[command(flatten)]
    pub request: PromptArgs,
}
