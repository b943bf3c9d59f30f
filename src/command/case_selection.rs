//! Selects the cases that `eval` and `audit` use.

use super::outcome::CommandError;
use crate::cli::CaseSelectionArgs;
use crate::eval::{CaseMetadata, Cases, GoldenSet, REGEX_HINT, explain_regex_error, sample_cases};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CaseSelection {
    pub(super) filter: Option<String>,
    pub(super) tags: Vec<String>,
    pub(super) sample: Option<u32>,
    pub(super) sample_seed: u64,
}

/// Used without `--sample-seed`.
const DEFAULT_SAMPLE_SEED: u64 = 1;

impl CaseSelection {
    pub(super) fn from_args(args: &CaseSelectionArgs) -> Self {
        Self {
            filter: args.filter.clone(),
            tags: args.tags.clone(),
            sample: args.sample,
            sample_seed: args.sample_seed.unwrap_or(DEFAULT_SAMPLE_SEED),
        }
    }

    /// The selected cases, in the set's order.
    pub(super) fn select_cases(&self, set: &GoldenSet) -> Result<Cases, CommandError> {
        let compile = |text: &str| {
            regex::Regex::new(text).map_err(|error| {
                CommandError::usage(format!("invalid --filter `{text}`: {}", explain_regex_error(&error)))
                    .with_hint(REGEX_HINT)
            })
        };
        let filter = self.filter.as_deref().map(compile).transpose()?;
        let wanted = |case: &CaseMetadata| {
            filter.as_ref().is_none_or(|filter| filter.is_match(&case.id))
                && (self.tags.is_empty() || self.tags.iter().any(|tag| case.tags.contains(tag)))
        };
        let is_all = filter.is_none() && self.tags.is_empty();
        let cases = if is_all { set.cases.clone() } else { set.cases.filter(wanted) };
        if !cases.is_empty() {
            return Ok(match self.sample.and_then(|count| usize::try_from(count).ok()) {
                Some(count) => sample_cases(&cases, count, self.sample_seed),
                None => cases,
            });
        }
        let mut tags: Vec<String> = set.cases.heads().flat_map(|head| head.tags).collect();
        tags.sort_unstable();
        tags.dedup();
        let ids = match set.cases.head(0) {
            Some(first) => format!("IDs such as `{}`", first.id),
            None => "other IDs".to_owned(),
        };
        let filter = self.filter.iter().map(|filter| format!("--filter `{filter}`"));
        let tag = (!self.tags.is_empty()).then(|| format!("--tag `{}`", self.tags.join("` or `")));
        let options = filter.chain(tag).collect::<Vec<_>>().join(" and ");
        let message = format!("no case of {} matches {options}", set.path);
        Err(CommandError::usage(message).with_hint(match tags.as_slice() {
            [] => format!("use {ids} (no case has tags)"),
            tags => format!("use {ids}, or one of the tags {}", tags.join(", ")),
        }))
    }
}
