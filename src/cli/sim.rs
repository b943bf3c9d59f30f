//! `slalom sim`.

use std::path::PathBuf;

use clap::Args;

/// Run the simulator as a server.
#[derive(Clone, Debug, Args)]
pub struct SimArgs {
    /// The port on loopback; 0 takes a free one
    #[arg(long, default_value_t = 8089)]
    pub port: u16,
    /// How long an answer takes, instead of a seeded 20 to 400 ms
    #[arg(long, value_name = "DURATION")]
    pub latency: Option<String>,
    /// What its choices are drawn from
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Script what happens to which request: a YAML file of rules, which may name every model and fault
    #[arg(long, value_name = "FILE")]
    pub scenario: Option<PathBuf>,
    /// Print one line a request
    #[arg(long)]
    pub log: bool,
}
