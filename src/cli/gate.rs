//! What an eval is held to.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// What an eval is held to. What is typed here stands above the set's `gate:`.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Gate")]
pub struct GateArgs {
    /// Compare every other subject with this: a model, a route, a run's id (or ID:SUBJECT), or a file of --save-baseline
    #[arg(long, value_name = "BASELINE")]
    pub baseline: Option<String>,
    /// Write what a later --baseline can compare with, without the answers
    #[arg(long, value_name = "FILE")]
    pub save_baseline: Option<PathBuf>,
    /// Compare every subject with its own earlier runs of the set, and fail where it fell
    #[arg(long, conflicts_with_all = ["baseline", "cache"])]
    pub drift: bool,
    /// Run this for each subject that fell: a program with arguments, which may use {{ subject }}, {{ set }}, {{ usual }}, {{ now }}
    #[arg(long, value_name = "COMMAND", requires = "drift")]
    pub on_drift: Option<String>,
    /// What is compared [default: pass_rate]
    #[arg(long, value_name = "METRIC")]
    pub metric: Option<MetricWord>,
    /// The least pass rate, 0 to 1
    #[arg(long, value_name = "RATE", allow_negative_numbers = true)]
    pub min_pass_rate: Option<f64>,
    /// The least mean score, 0 to 1
    #[arg(long, value_name = "SCORE", allow_negative_numbers = true)]
    pub min_score: Option<f64>,
    /// The most that a subject's answers may have cost together, in dollars; it fails afterwards, --max-cost stops before
    #[arg(long, value_name = "USD", allow_negative_numbers = true)]
    pub max_cost_usd: Option<f64>,
    /// The longest median latency, in milliseconds
    #[arg(long, value_name = "MS", allow_negative_numbers = true)]
    pub max_p50_ms: Option<f64>,
    /// The longest 95th percentile of the latency, in milliseconds; takes 200 answers
    #[arg(long, value_name = "MS", allow_negative_numbers = true)]
    pub max_p95_ms: Option<f64>,
    /// How many cases may go unscored, as a number or a share such as 1%
    #[arg(long, value_name = "LIMIT")]
    pub max_unscored: Option<String>,
    /// The largest drop against the baseline that may be observed, 0 to 1
    #[arg(long, value_name = "DROP", allow_negative_numbers = true, requires = "baseline")]
    pub max_drop: Option<f64>,
    /// The difference to the baseline that does not matter, 0 to 1
    #[arg(long, value_name = "DIFFERENCE", allow_negative_numbers = true, requires = "baseline")]
    pub margin: Option<f64>,
    /// Hold the lower ends of the intervals to the floors, and fail unless a drop beyond the largest one is ruled out
    #[arg(long)]
    pub strict: bool,
}

/// What can be compared.
#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum MetricWord {
    /// Whether cases pass.
    #[value(alias = "pass-rate")]
    PassRate,
    /// How well they score.
    Score,
}
