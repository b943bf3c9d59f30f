//! `slalom route`.

use clap::Args;

use super::RequestArgs;

/// Ask through a named fallback chain; without a prompt, see how its candidates stand.
#[derive(Clone, Debug, Args)]
pub struct RouteArgs {
    /// The route; without one, or without a prompt, routes are listed with how each candidate stands, and why
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    /// The prompt; what is piped in follows it
    #[arg(value_name = "PROMPT")]
    pub prompt: Vec<String>,
    /// Print the plan and send nothing
    #[arg(long, requires = "name")]
    pub dry_run: bool,
    /// Rehearse an outage: MODEL=FAULT or PROVIDER=FAULT with a fault of down, 429, slow:2s, stall, cut, malformed or
    /// empty, and a share of the calls after it, as in 429:20% (repeatable); `each` takes every candidate down in turn
    #[arg(long, value_name = "DRILL", requires = "name", conflicts_with = "dry_run")]
    pub drill: Vec<String>,
    /// Forget how the route's candidates stand, so that they start anew: breakers, blocks, measured times; of all routes
    /// without a NAME
    #[arg(long, conflicts_with_all = ["prompt", "dry_run", "drill", "label", "stream", "file", "messages", "system", "json"])]
    pub reset: bool,
    /// What kind of request it is: candidates with `when: {label: …}` are there for theirs alone
    #[arg(long, value_name = "LABEL", requires = "name")]
    pub label: Option<String>,
    /// Show the answer as it arrives, into a pipe too
    #[arg(long, conflicts_with_all = ["no_stream", "json"])]
    pub stream: bool,
    /// The prompt and how it is sent.
    #[command(flatten)]
    pub request: RequestArgs,
}
