use clap::Args;

/// Options of `eval` and `audit` that select cases.
#[derive(Clone, Debug, Args)]
pub(crate) struct CaseSelectionArgs {
    /// Use only cases whose ID matches
    #[arg(long, value_name = "REGEX", display_order = 2)]
    pub filter: Option<String>,
    /// Use only cases with this tag (repeatable)
    ///
    /// If several tags are given, a case needs only one of them.
    #[arg(long = "tag", value_name = "TAG", display_order = 2)]
    pub tags: Vec<String>,
    /// Use a random sample of N cases
    ///
    /// The same seed selects the same cases. Adding a case to the set changes the sample by one case at most.
    #[arg(long, value_name = "N", value_parser = super::parse_count::<u32>, display_order = 3)]
    pub sample: Option<u32>,
    /// Seed for --sample [default: 1]
    #[arg(long, value_name = "SEED", requires = "sample", display_order = 4, hide_short_help = true)]
    pub sample_seed: Option<u64>,
}
