//! Where the results that subjects are compared with come from.

use std::path::Path;

use super::history::{LEDGER_HINT, load_run_baseline, read_or_ledger_error};
use super::{CommandContext, CommandError};
use crate::chat::pluralize;
use crate::config::load_baseline;
use crate::eval::statistics::MinPass;
use crate::eval::{Baseline, CaseMetadata, CaseOutcomes, CasePairing, GoldenSet};
use crate::view::ReportFormat;

pub(super) const BASELINE_HINT: &str =
    "use provider/model, route:NAME, a run ID, or a file from --save-baseline";

/// The value of `--baseline` names nothing to compare with.
pub(super) fn invalid_baseline_error(text: &str) -> CommandError {
    CommandError::usage(format!(
        "invalid --baseline `{text}`: expected a .json file, a run ID, a model, or a route"
    ))
}

/// The source of the results that subjects are compared with.
#[derive(Clone, Debug)]
pub(super) enum BaselineSource {
    /// A subject of the same run, by name.
    Subject(String),
    /// Results from a file or an earlier run.
    Saved(Baseline),
    /// Every subject's own earlier runs, for `--drift`.
    History,
}

impl BaselineSource {
    /// Parses the value of `--baseline`: a JSON file, a run ID, or otherwise a model or route.
    pub(super) fn parse(context: &CommandContext, text: &str, set: &GoldenSet) -> Result<Self, CommandError> {
        let (first, subject) = match text.split_once(':') {
            Some((first, subject)) => (first, Some(subject)),
            None => (text, None),
        };
        let is_file = |name: &str| {
            Path::new(name).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"))
        };
        if is_file(text) {
            Ok(Self::Saved(load_baseline(Path::new(text), None)?))
        } else if is_file(first) {
            Ok(Self::Saved(load_baseline(Path::new(first), subject)?))
        } else if ulid::Ulid::from_string(first).is_ok() {
            load_run_baseline(context, first, subject).map(Self::Saved)
        } else if ReportFormat::from_path(Path::new(text)).is_some() || text.starts_with(['.', '/', '~']) {
            Err(invalid_baseline_error(text)
                .with_hint("create one with `slalom eval SET --save-baseline FILE.json`"))
        } else {
            let mut names = set.expand_subject(text).map_err(CommandError::usage)?;
            match (names.pop(), names.is_empty()) {
                (Some(name), true) => Ok(Self::Subject(name)),
                (last, _) => {
                    names.extend(last);
                    let message = format!("ambiguous baseline: {} has several prompts for {text}", set.path);
                    Err(CommandError::usage(message).with_hint(format!("use {}", names.join(" or "))))
                }
            }
        }
    }

    /// Uses the ledger's earlier runs. Fails if the ledger is unavailable.
    pub(super) fn from_history(context: &CommandContext) -> Result<Self, CommandError> {
        // The ledger opens on its first read.
        let read = context.open_run_store().run("");
        match read_or_ledger_error(context, read) {
            Ok(_) => Ok(Self::History),
            Err(error) => {
                Err(CommandError::usage(format!("cannot use --drift: {error}")).with_hint(LEDGER_HINT))
            }
        }
    }

    /// The name of the baseline subject, if it is part of the run.
    pub(super) fn subject_in_run(&self) -> Option<&str> {
        match self {
            Self::Subject(name) => Some(name),
            Self::Saved(_) | Self::History => None,
        }
    }

    /// Checks, before any call is paid for, that a saved baseline is comparable with the cases.
    pub(super) fn check_comparable(
        &self,
        set: &GoldenSet,
        cases: &[CaseMetadata],
        min_pass: Option<MinPass>,
    ) -> Result<(), CommandError> {
        let Self::Saved(baseline) = self else { return Ok(()) };
        let pairing = CasePairing::match_cases(cases, baseline);
        let answer_count = |own: &CaseOutcomes| u32::try_from(own.outcomes.len()).unwrap_or(u32::MAX);
        let find_mismatch = |of: u32| pairing.pairs.iter().find(move |(_, own)| answer_count(own) != of);
        if let Some((quorum, (case, own))) =
            min_pass.and_then(|quorum| Some((quorum, find_mismatch(quorum.repeats)?)))
        {
            return Err(CommandError::usage(format!(
                "{}: min_pass needs the same number of answers on both sides; the baseline has {} for case `{}`, but this run has {}",
                set.path,
                answer_count(own),
                case.id,
                quorum.repeats
            ))
            .with_hint("rerun the baseline with the same --repeat and --min-pass"));
        }
        if pairing.pairs.is_empty() {
            return Err(CommandError::usage(format!(
                "{}: none of the {} is in the baseline: it is from another set, or every prompt, reference, or assertion has changed",
                set.path,
                pluralize(cases.len(), "case")
            ))
            .with_hint("rerun the baseline: pass its model to --baseline, or write a new file with --save-baseline"));
        }
        Ok(())
    }
}
