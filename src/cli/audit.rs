use std::path::PathBuf;

use clap::Args;

use super::CaseSelectionArgs;

const EXAMPLES: &str = "\
Examples:
  slalom audit golden-sets/*.yaml
  slalom audit golden-sets/support-triage.yaml --tag billing -v
  slalom audit golden-sets/support-triage.yaml --json > audit.json";

/// Check that golden sets catch wrong answers, without calling a model
///
/// Each reference must pass its own assertions, and wrong answers derived from it (mutants) must fail them. Also reports
/// duplicate cases and cases that accept any answer. Exits 1 if a reference fails or too few mutants are caught, 2 if no
/// selected case has a reference.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct AuditArgs {
    /// Golden sets (YAML files)
    #[arg(value_name = "SET", required = true, display_order = 0, help_heading = "Audit")]
    pub sets: Vec<PathBuf>,
    #[command(flatten, next_help_heading = "Audit")]
    pub cases: CaseSelectionArgs,
    /// Minimum share of wrong answers caught
    ///
    /// A number from 0 to 1.
    #[arg(
        long,
        value_name = "RATE",
        default_value_t = 0.95,
        allow_negative_numbers = true,
        value_parser = super::gate::parse_share,
        display_order = 5,
        help_heading = "Audit"
    )]
    pub min_caught: f64,
    /// Seed for generating wrong answers
    #[arg(long, value_name = "SEED", default_value_t = 1, display_order = 6, help_heading = "Audit")]
    pub seed: u64,
    /// Print a JSON object instead of tables
    ///
    /// The schema is `slalom.audit/1`. The object contains every finding. Usage errors (exit 2) print no JSON.
    #[arg(long, help_heading = "Output")]
    pub json: bool,
}
