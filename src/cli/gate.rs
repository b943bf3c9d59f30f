use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Gate options of `eval`. They override the set's `gate:`.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Gate")]
pub(crate) struct GateArgs {
    /// Minimum pass rate, 0 to 1
    #[arg(long, value_name = "RATE", allow_negative_numbers = true, value_parser = parse_share)]
    pub min_pass_rate: Option<f64>,
    /// Minimum mean score, 0 to 1
    #[arg(long, value_name = "SCORE", allow_negative_numbers = true, value_parser = parse_share)]
    pub min_score: Option<f64>,
    /// Maximum cost of each subject's answers
    ///
    /// Checked after the run; use --max-cost to stop before money is spent.
    #[arg(
        long,
        value_name = "USD",
        allow_negative_numbers = true,
        value_parser = parse_dollars,
        hide_short_help = true
    )]
    pub max_cost_usd: Option<f64>,
    /// Maximum median latency, in milliseconds
    #[arg(
        long,
        value_name = "MS",
        allow_negative_numbers = true,
        value_parser = parse_milliseconds,
        hide_short_help = true
    )]
    pub max_p50_ms: Option<f64>,
    /// Maximum 95th percentile latency, in milliseconds
    ///
    /// Needs at least 200 answers per subject.
    #[arg(
        long,
        value_name = "MS",
        allow_negative_numbers = true,
        value_parser = parse_milliseconds,
        hide_short_help = true
    )]
    pub max_p95_ms: Option<f64>,
    /// Maximum unscored cases, as a count or a percentage
    ///
    /// Default: the set's `max_unscored`, else 0. If more cases are unscored, the exit code is 3. A percentage is written
    /// with `%`, as in 1%.
    #[arg(long, value_name = "LIMIT", allow_negative_numbers = true)]
    pub max_unscored: Option<String>,
    /// Compare with a model, route, run ID, or saved file
    ///
    /// A model or route is run along with the other subjects. ID:SUBJECT selects one subject of an earlier run. The gate
    /// fails if a subject is significantly worse than the baseline. Minimum rates do not apply to the baseline
    /// itself.
    #[arg(long, value_name = "BASELINE")]
    pub baseline: Option<String>,
    /// Save the results as a baseline for later (.json)
    ///
    /// The file contains digests, verdicts, scores, cost, and latency, but no answers. Takes one set. Nothing is saved if too
    /// many cases are unscored, or if the gate failed against a baseline.
    #[arg(long, value_name = "FILE")]
    pub save_baseline: Option<PathBuf>,
    /// Metric for comparisons [default: pass_rate]
    ///
    /// The default is the set's `metric`, else pass_rate. Requires --baseline or --drift.
    #[arg(long, value_name = "METRIC", hide_short_help = true)]
    pub metric: Option<MetricArg>,
    /// Largest allowed drop from the baseline, 0 to 1
    ///
    /// Fails on a larger observed drop, even one that is not statistically significant. Requires --baseline.
    #[arg(
        long,
        value_name = "DROP",
        allow_negative_numbers = true,
        value_parser = parse_share,
        requires = "baseline"
    )]
    pub max_drop: Option<f64>,
    /// Largest difference that counts as equivalent, 0 to 1
    ///
    /// Requires --baseline.
    #[arg(
        long,
        value_name = "DIFFERENCE",
        allow_negative_numbers = true,
        value_parser = parse_share,
        requires = "baseline",
        hide_short_help = true
    )]
    pub margin: Option<f64>,
    /// Apply limits to confidence intervals
    ///
    /// The lower end of the interval must reach --min-pass-rate and --min-score. With --baseline, the run fails unless a drop
    /// beyond --max-drop is ruled out; this takes large sets. Requires a minimum pass rate or score, or --baseline and a
    /// maximum drop; the set's `gate:` may provide them.
    #[arg(long)]
    pub strict: bool,
    /// Fail if a subject got worse than in earlier runs
    ///
    /// Compares with the last 10 runs of this set in the ledger. The first run has no history and is judged as without
    /// --drift. Cannot be combined with --baseline or --cache.
    #[arg(long, conflicts_with_all = ["baseline", "cache"])]
    pub drift: bool,
    /// Run a command for each subject that got worse
    ///
    /// A program with arguments; no shell is used. Arguments may contain template variables, as in '{{ subject }}':
    /// `subject`, `set`, `usual` (value in earlier runs), `now` (current value), and `difference`. It receives no API keys
    /// and is stopped after one minute. Requires --drift.
    #[arg(long, value_name = "COMMAND", requires = "drift", hide_short_help = true)]
    pub on_drift: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum MetricArg {
    /// Share of cases that pass
    #[value(alias = "pass-rate")]
    PassRate,
    /// Mean score
    Score,
}

/// Parses a share from 0 to 1; for a percentage, the error shows the share to write.
pub(super) fn parse_share(text: &str) -> Result<f64, String> {
    text.trim().parse().map_err(|_| {
        match text.trim().strip_suffix('%').map(|percent| percent.trim().parse::<f64>()) {
            Some(Ok(percent)) => format!("write {} for {percent}%", (percent * 1e7).round() / 1e9),
            _ => "expected a number from 0 to 1, such as 0.9 for 90%".to_owned(),
        }
    })
}

fn parse_dollars(text: &str) -> Result<f64, String> {
    text.trim().parse().map_err(|_| match text.trim().trim_start_matches('$').trim().parse::<f64>() {
        Ok(dollars) => format!("write {dollars} for ${dollars}"),
        Err(_) => "expected an amount in USD, such as 0.05".to_owned(),
    })
}

fn parse_milliseconds(text: &str) -> Result<f64, String> {
    let text = text.trim();
    let [ms, s] =
        ["ms", "s"].map(|unit| text.strip_suffix(unit).and_then(|figure| figure.trim().parse::<f64>().ok()));
    text.parse().map_err(|_| match (ms, s) {
        (Some(ms), _) => format!("write {ms} for {ms} ms"),
        (None, Some(s)) => format!("write {} for {s} s", s * 1000.0),
        (None, None) => "expected a number of milliseconds, such as 2000 for 2 s".to_owned(),
    })
}
