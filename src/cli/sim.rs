use std::path::PathBuf;

use clap::Args;

const EXAMPLES: &str = "\
Examples:
  slalom sim --log
  slalom sim --port 0 --scenario faults.yaml --latency 50ms
  OPENAI_BASE_URL=http://127.0.0.1:8089/v1 OPENAI_API_KEY=x python app.py";

/// Run the built-in provider simulator as an HTTP server
///
/// Speaks every dialect, so any provider SDK can use it without an API key. The model name selects the behavior: `good`,
/// `slow`, `overloaded`, `flaky-30`, and others, listed at startup. Prices are simulated. Ctrl-C stops the server with exit
/// code 0.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct SimArgs {
    /// Port on 127.0.0.1; 0 selects a free one
    #[arg(long, default_value_t = 8089, help_heading = "Server")]
    pub port: u16,
    /// Print one line per request
    ///
    /// Each line on stdout shows the dialect, the model, whether the response is streamed, and the status.
    #[arg(long, help_heading = "Server")]
    pub log: bool,
    /// Response time [default: 20 to 400 ms, by seed]
    #[arg(long, value_name = "DURATION", help_heading = "Simulation")]
    pub latency: Option<String>,
    /// Random seed
    #[arg(long, default_value_t = 1, help_heading = "Simulation")]
    pub seed: u64,
    /// YAML rules that script faults and replies
    ///
    /// The first rule that matches a request decides the response. Requests that match no rule are answered according to
    /// their model name. The format is described in docs/simulator.md.
    #[arg(long, value_name = "FILE", help_heading = "Simulation")]
    pub scenario: Option<PathBuf>,
}
