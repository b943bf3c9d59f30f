//! `slalom ask`.

use clap::Args;

use super::RequestArgs;

/// Ask one model, or the default route.
#[derive(Clone, Debug, Args)]
pub struct AskArgs {
    /// The prompt; what is piped in follows it
    #[arg(value_name = "PROMPT")]
    pub prompt: Vec<String>,
    /// The model as provider/model, an alias, or route:NAME
    #[arg(short, long, value_name = "MODEL")]
    pub model: Option<String>,
    /// Choose the model from a list
    #[arg(long, conflicts_with = "model")]
    pub pick: bool,
    /// Show the answer as it arrives, into a pipe too
    #[arg(long, conflicts_with_all = ["no_stream", "json"])]
    pub stream: bool,
    /// The prompt and how it is sent.
    #[command(flatten)]
    pub request: RequestArgs,
}
