//! `slalom eval`.

use std::path::PathBuf;

use clap::Args;

/// Run golden sets against models or routes.
#[derive(Clone, Debug, Args)]
pub struct EvalArgs {
    /// The golden sets
    #[arg(value_name = "SET", required = true)]
    pub sets: Vec<PathBuf>,
    /// The subjects, in place of the set's own (repeatable, or separated by commas)
    #[arg(short, long = "model", value_name = "MODEL", value_delimiter = ',')]
    pub models: Vec<String>,
    /// Run only cases whose id matches this regular expression
    #[arg(long, value_name = "REGEX")]
    pub filter: Option<String>,
    /// Run only cases with this tag (repeatable: any of them)
    #[arg(long = "tag", value_name = "TAG")]
    pub tags: Vec<String>,
    /// Cases in flight at once for each subject
    #[arg(short = 'j', long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..))]
    pub concurrency: u16,
    /// The least pass rate, 0 to 1
    #[arg(long, value_name = "RATE", allow_negative_numbers = true)]
    pub min_pass_rate: Option<f64>,
    /// The least mean score, 0 to 1
    #[arg(long, value_name = "SCORE", allow_negative_numbers = true)]
    pub min_score: Option<f64>,
    /// How many cases may go unscored, as a number or a share such as 1%
    #[arg(long, value_name = "LIMIT")]
    pub max_unscored: Option<String>,
    /// The longest that one call may take
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true)]
    pub timeout: Option<String>,
    /// The most that the whole run may cost, in dollars; a call that could go beyond it is not made
    #[arg(long, value_name = "USD", allow_hyphen_values = true)]
    pub max_cost: Option<String>,
    /// Ask for whole answers on the wire
    #[arg(long)]
    pub no_stream: bool,
    /// Count the cases, show one prompt, and send nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Print one JSON object in place of the table
    #[arg(long)]
    pub json: bool,
    /// Also write a report, its form by the file's extension: .json or .csv (repeatable)
    #[arg(short, long, value_name = "FILE")]
    pub output: Vec<PathBuf>,
}
