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
    pub metric: Option<MetricArg>,
    /// The least pass rate, 0 to 1
    #[arg(long, value_name = "RATE", allow_negative_numbers = true, value_parser = parse_share)]
    pub min_pass_rate: Option<f64>,
    /// The least mean score, 0 to 1
    #[arg(long, value_name = "SCORE", allow_negative_numbers = true, value_parser = parse_share)]
    pub min_score: Option<f64>,
    /// The most that a subject's answers may have cost together, in dollars; it fails afterwards, --max-cost stops before
    #[arg(long, value_name = "USD", allow_negative_numbers = true, value_parser = parse_dollars)]
    pub max_cost_usd: Option<f64>,
    /// The longest median latency, in milliseconds
    #[arg(long, value_name = "MS", allow_negative_numbers = true, value_parser = parse_milliseconds)]
    pub max_p50_ms: Option<f64>,
    /// The longest 95th percentile of the latency, in milliseconds; takes 200 answers
    #[arg(long, value_name = "MS", allow_negative_numbers = true, value_parser = parse_milliseconds)]
    pub max_p95_ms: Option<f64>,
    /// How many cases may go unscored, as a number or a share such as 1% (half of them is 50%)
    #[arg(long, value_name = "LIMIT", allow_negative_numbers = true)]
    pub max_unscored: Option<String>,
    /// The largest drop against the baseline that may be observed, 0 to 1
    #[arg(long, value_name = "DROP", allow_negative_numbers = true, value_parser = parse_share, requires = "baseline")]
    pub max_drop: Option<f64>,
    /// The difference to the baseline that does not matter, 0 to 1
    #[arg(long, value_name = "DIFFERENCE", allow_negative_numbers = true, value_parser = parse_share, requires = "baseline")]
    pub margin: Option<f64>,
    /// Hold the lower ends of the intervals to the floors, and fail unless a drop beyond the largest one is ruled out
    #[arg(long)]
    pub strict: bool,
}

/// What can be compared.
#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum MetricArg {
    /// Whether cases pass.
    #[value(alias = "pass-rate")]
    PassRate,
    /// How well they score.
    Score,
}

/// A share of 1. One that is written in percent is said as it must be.
pub(super) fn parse_share(text: &str) -> Result<f64, String> {
    text.trim().parse().map_err(|_| {
        match text.trim().strip_suffix('%').map(|percent| percent.trim().parse::<f64>()) {
            Some(Ok(percent)) => format!("write {} for {percent} %", (percent * 1e7).round() / 1e9),
            _ => "write a number from 0 to 1, such as 0.9 for 90 %".to_owned(),
        }
    })
}

fn parse_dollars(text: &str) -> Result<f64, String> {
    text.trim().parse().map_err(|_| match text.trim().trim_start_matches('$').trim().parse::<f64>() {
        Ok(dollars) => format!("write {dollars} for ${dollars}"),
        Err(_) => "write dollars as a number, such as 0.05".to_owned(),
    })
}

fn parse_milliseconds(text: &str) -> Result<f64, String> {
    let text = text.trim();
    let [ms, s] =
        ["ms", "s"].map(|unit| text.strip_suffix(unit).and_then(|figure| figure.trim().parse::<f64>().ok()));
    text.parse().map_err(|_| match (ms, s) {
        (Some(ms), _) => format!("write {ms} for {ms} ms"),
        (None, Some(s)) => format!("write {} for {s} s", s * 1000.0),
        (None, None) => "write milliseconds as a number, such as 2000 for 2 s".to_owned(),
    })
}
