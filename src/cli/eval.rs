use std::path::PathBuf;

use clap::Args;

use super::{CaseSelectionArgs, GateArgs};

const EXAMPLES: &str = "\
Examples:
  slalom eval golden-sets/support-triage.yaml  # no API key needed
  slalom eval golden-sets/*.yaml -m haiku --min-pass-rate 0.9 -o report.md
  slalom eval golden-sets/support-triage.yaml -m luna --save-baseline luna.json
  slalom eval golden-sets/support-triage.yaml -m haiku --baseline luna.json";

/// Run golden sets against models or routes, and apply a quality gate
///
/// A golden set is a YAML file of cases with assertions. Prints pass rates with 95% confidence intervals, scores, cost, and
/// latency, and exits 1 if the gate fails. Every result is saved when it arrives, so an interrupted run can be resumed. Gate
/// options override the set's `gate:`.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct EvalArgs {
    /// Golden sets (YAML files)
    ///
    /// Sets, subjects, and options are validated before the first call. Without a minimum pass rate or score, a baseline,
    /// or a drift history, any failed case fails the run.
    #[arg(value_name = "SET", required = true, display_order = 0, help_heading = "Evaluation")]
    pub sets: Vec<PathBuf>,
    /// Models or routes to evaluate (repeat, or use commas)
    ///
    /// Default: the set's `models:`, else the default route. If the set has several `prompts:`, MODEL#PROMPT selects one
    /// of them.
    #[arg(
        short,
        long = "model",
        value_name = "MODEL",
        value_delimiter = ',',
        display_order = 1,
        help_heading = "Evaluation"
    )]
    pub models: Vec<String>,
    #[command(flatten, next_help_heading = "Evaluation")]
    pub cases: CaseSelectionArgs,
    /// Run each case N times [default: the set's, else 1]
    #[arg(
        long,
        value_name = "N",
        value_parser = super::parse_count::<u32>,
        help_heading = "Evaluation"
    )]
    pub repeat: Option<u32>,
    /// Repeats that must pass for a case to pass
    ///
    /// Default: the set's `min_pass`. Without it, every answer counts separately, and the answers to one case form a
    /// cluster in the statistics. Cannot exceed --repeat.
    #[arg(
        long,
        value_name = "K",
        value_parser = super::parse_count::<u32>,
        help_heading = "Evaluation"
    )]
    pub min_pass: Option<u32>,
    /// Also evaluate each candidate of a route separately
    #[arg(long, help_heading = "Evaluation")]
    pub each_candidate: bool,
    /// Allow `exec` assertions to run programs
    ///
    /// Read the set and the programs first: they run with your permissions, but without the variables that hold API keys.
    /// Without this flag, a set with `exec` assertions exits 2.
    #[arg(long, help_heading = "Evaluation")]
    pub allow_exec: bool,
    /// Count cases, estimate cost, show a prompt; send nothing
    #[arg(long, help_heading = "Evaluation")]
    pub dry_run: bool,
    /// Resume a run [default: the latest unfinished one]
    ///
    /// Without RUN, resumes the latest unfinished run of this set with these subjects. Cases already scored are not run
    /// again; unscored ones are. The selection of cases and --repeat stay as they were. Takes one set. Put SET before
    /// --resume, or write --resume=RUN: the word after it is read as a run ID. Cannot be combined with --dry-run.
    #[arg(
        long,
        value_name = "RUN",
        num_args = 0..=1,
        default_missing_value = "",
        conflicts_with = "dry_run",
        help_heading = "Evaluation"
    )]
    pub resume: Option<String>,
    /// Do not read or write the answer cache
    ///
    /// By default, an answer to an identical request is reused for 30 days, but not in CI, with --baseline or --drift, or
    /// if latency is measured by an assertion or the gate. Cannot be combined with --refresh or --cache.
    #[arg(long, conflicts_with_all = ["refresh", "cache"], help_heading = "Evaluation")]
    pub no_cache: bool,
    /// Ignore cached answers, but store new ones
    ///
    /// Cannot be combined with --no-cache or --cache.
    #[arg(long, conflicts_with = "cache", hide_short_help = true, help_heading = "Evaluation")]
    pub refresh: bool,
    /// Read the cache even in CI or with --baseline
    ///
    /// Cannot be combined with --no-cache, --refresh, or --drift.
    #[arg(long, hide_short_help = true, help_heading = "Evaluation")]
    pub cache: bool,
    /// Do not stream; request complete responses
    ///
    /// Not possible for cases with a `first-token` assertion.
    #[arg(long, hide_short_help = true, help_heading = "Evaluation")]
    pub no_stream: bool,
    /// Adjust the weights of a weighted route based on the results
    ///
    /// The weights are stored in the ledger, not in routes.yaml. A weight is multiplied by the candidate's pass rate
    /// relative to the best one, and never falls below one fifth of its configured value. Needs one complete set, without `prompts:`, and two
    /// candidates of the route among the subjects. `slalom route ROUTE --reset` restores the weights.
    #[arg(long, value_name = "ROUTE", hide_short_help = true, help_heading = "Evaluation")]
    pub reweight: Option<String>,
    /// Parallel cases per provider [default: limit or 16]
    ///
    /// The default is the provider's `limits: {concurrency: N}`, else 16. After rate-limit errors, fewer cases run at once,
    /// then gradually more again.
    #[arg(
        short = 'j',
        long,
        value_name = "N",
        value_parser = super::parse_count::<u16>,
        help_heading = "Limits"
    )]
    pub concurrency: Option<u16>,
    /// Time limit per call, such as 90s
    ///
    /// Waiting for a configured limit does not count; waiting after a 429 does. Without it, such waiting ends after 10
    /// minutes, and the `deadline` of the route applies [default: 120s, until the first token].
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true, help_heading = "Limits")]
    pub timeout: Option<String>,
    /// Cost limit for the whole run, judges included
    ///
    /// A call that could exceed the limit is not made, and the exit code is 4. A resumed run gets the full amount again. To
    /// judge a subject by its cost, use --max-cost-usd.
    #[arg(long, value_name = "USD", allow_hyphen_values = true, help_heading = "Limits")]
    pub max_cost: Option<String>,
    /// Stop after N cases that could not be scored
    ///
    /// The exit code is 4, and the run can be resumed. Cases that --max-cost stopped do not count.
    #[arg(
        long,
        value_name = "N",
        value_parser = super::parse_count::<u64>,
        help_heading = "Limits"
    )]
    pub max_errors: Option<u64>,
    #[command(flatten)]
    pub gate: GateArgs,
    /// Report file; its extension sets the format (repeatable)
    ///
    /// Formats: .json, .jsonl, .csv, .xml (JUnit), .md, .html.
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    pub output: Vec<PathBuf>,
    /// Print a JSON object instead of tables
    ///
    /// The schema is `slalom.eval/1`, or `slalom.eval-plan/1` with --dry-run. Usage errors (exit 2) print no JSON.
    #[arg(long, help_heading = "Output")]
    pub json: bool,
    #[command(flatten)]
    pub former_audit: FormerAuditArgs,
}

/// The flags of the former `eval --audit`, accepted only to name the command that replaces them.
#[derive(Clone, Debug, Args)]
pub(crate) struct FormerAuditArgs {
    #[arg(long, hide = true)]
    pub audit: bool,
    #[arg(long, hide = true, value_name = "RATE", allow_negative_numbers = true)]
    pub min_caught: Option<String>,
    #[arg(long, hide = true, value_name = "SEED", allow_negative_numbers = true)]
    pub audit_seed: Option<String>,
}
