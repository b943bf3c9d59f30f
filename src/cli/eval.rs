//! `slalom eval`.

use std::path::PathBuf;

use clap::Args;

use super::GateArgs;

/// What says how models are asked, or what they must reach: an audit asks none.
const AUDIT_CONFLICTS: [&str; 29] = [
    "models",
    "repeat",
    "min_pass",
    "each_candidate",
    "concurrency",
    "baseline",
    "save_baseline",
    "drift",
    "on_drift",
    "metric",
    "min_pass_rate",
    "min_score",
    "max_cost_usd",
    "max_p50_ms",
    "max_p95_ms",
    "max_unscored",
    "max_drop",
    "margin",
    "strict",
    "reweight",
    "timeout",
    "max_cost",
    "max_errors",
    "resume",
    "no_cache",
    "refresh",
    "cache",
    "no_stream",
    "dry_run",
];

/// Run golden sets against models or routes.
#[derive(Clone, Debug, Args)]
pub struct EvalArgs {
    /// The golden sets
    #[arg(value_name = "SET", required = true)]
    pub sets: Vec<PathBuf>,
    /// The subjects, in place of the set's own (repeatable, or separated by commas); where a set has several prompts,
    /// MODEL#PROMPT asks by one of them alone
    #[arg(short, long = "model", value_name = "MODEL", value_delimiter = ',')]
    pub models: Vec<String>,
    /// Run only cases whose id matches this regular expression
    #[arg(long, value_name = "REGEX")]
    pub filter: Option<String>,
    /// Run only cases with this tag (repeatable: any of them)
    #[arg(long = "tag", value_name = "TAG")]
    pub tags: Vec<String>,
    /// Run only so many cases, chosen by chance and always the same ones for a seed
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub sample: Option<u32>,
    /// What the sample is chosen by
    #[arg(long, value_name = "SEED", requires = "sample")]
    pub sample_seed: Option<u64>,
    /// Ask each case so often; the set's `repeat`, or once, where nothing is given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub repeat: Option<u32>,
    /// How many of its repeats must pass for a case to pass
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..))]
    pub min_pass: Option<u32>,
    /// Also run each model of a route as a subject of its own
    #[arg(long)]
    pub each_candidate: bool,
    /// Cases in flight at once at each provider; its own limit, or 16, where nothing is given
    #[arg(short = 'j', long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub concurrency: Option<u16>,
    /// The longest that one call may take
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true)]
    pub timeout: Option<String>,
    /// The most that the whole run may cost, in dollars; a call that could go beyond it is not made
    #[arg(long, value_name = "USD", allow_hyphen_values = true)]
    pub max_cost: Option<String>,
    /// Stop after so many cases that could not be scored
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub max_errors: Option<u64>,
    /// Go on with a run that was cut short: with this id, else the newest of this set and these subjects
    #[arg(long, value_name = "RUN", num_args = 0..=1, default_missing_value = "", conflicts_with = "dry_run")]
    pub resume: Option<String>,
    /// Neither use nor keep answers that were given before
    #[arg(long, conflicts_with_all = ["refresh", "cache"])]
    pub no_cache: bool,
    /// Ask anew, and keep the new answers
    #[arg(long, conflicts_with = "cache")]
    pub refresh: bool,
    /// Use answers that were given before even in CI
    #[arg(long)]
    pub cache: bool,
    /// Run the programs that `exec` assertions name: read the set before
    #[arg(long)]
    pub allow_exec: bool,
    /// Ask for whole answers on the wire
    #[arg(long)]
    pub no_stream: bool,
    /// Count the cases, estimate what they cost, show one prompt, and send nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Ask nobody, but look at the sets themselves: each reference must pass its own assertions, and wrong answers made of it
    /// must fail
    #[arg(long, conflicts_with_all = AUDIT_CONFLICTS)]
    pub audit: bool,
    /// With --audit: the least share of wrong answers that must be caught, 0 to 1
    #[arg(
        long,
        value_name = "SHARE",
        requires = "audit",
        default_value_t = 0.95,
        allow_negative_numbers = true,
        value_parser = super::gate::parse_share
    )]
    pub min_caught: f64,
    /// With --audit: what the wrong answers are made by
    #[arg(long, value_name = "SEED", requires = "audit", default_value_t = 1)]
    pub audit_seed: u64,
    /// Print one JSON object in place of the table
    #[arg(long)]
    pub json: bool,
    /// Also write a report, its form by the file's extension: .json, .jsonl, .csv, .xml (JUnit), .md or .html (repeatable)
    #[arg(short, long, value_name = "FILE")]
    pub output: Vec<PathBuf>,
    /// Weigh the candidates of a weighted route anew by what is found, in the ledger and not in its file
    #[arg(long, value_name = "ROUTE")]
    pub reweight: Option<String>,
    /// What it is held to.
    #[command(flatten)]
    pub gate: GateArgs,
}
