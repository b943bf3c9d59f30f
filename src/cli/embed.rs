//! `slalom embed`.

use clap::Args;

/// Turn texts into vectors.
#[derive(Clone, Debug, Args)]
pub struct EmbedArgs {
    /// The texts; without any, each line of what is piped in is one
    #[arg(value_name = "TEXT")]
    pub texts: Vec<String>,
    /// The model as provider/model, or an alias
    #[arg(short, long, value_name = "MODEL")]
    pub model: String,
    /// What the vectors are for, where the provider tells purposes apart: similarity, query or document
    #[arg(long, value_name = "PURPOSE", default_value = "similarity")]
    pub purpose: String,
    /// How long the vectors should be, where the model leaves the choice
    #[arg(long, value_name = "NUMBER")]
    pub dimensions: Option<u64>,
    /// The longest that one request may take, for example 90s
    #[arg(long, value_name = "DURATION", default_value = "60s")]
    pub timeout: String,
    /// Print one JSON object with the vectors, their tokens and their cost, instead of a vector a line
    #[arg(long)]
    pub json: bool,
}
