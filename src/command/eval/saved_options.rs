//! The options of a run as stored in the ledger.

use serde::{Deserialize, Serialize};

use super::RunSpec;
use crate::cli::EvalArgs;
use crate::command::case_selection::CaseSelection;

/// The options that a resumed run must share with its start. An option that this version does not know makes
/// the run impossible to resume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SavedRunOptions {
    filter: Option<String>,
    tags: Vec<String>,
    sample: Option<u32>,
    sample_seed: u64,
    repeat: u32,
}

impl SavedRunOptions {
    pub(super) fn of(spec: &RunSpec) -> Self {
        let CaseSelection { filter, tags, sample, sample_seed } = spec.selection.clone();
        Self { filter, tags, sample, sample_seed, repeat: spec.repeat }
    }

    pub(super) fn apply_to(self, spec: &mut RunSpec) {
        let Self { filter, tags, sample, sample_seed, repeat } = self;
        spec.selection = CaseSelection { filter, tags, sample, sample_seed };
        spec.repeat = repeat;
    }

    /// The first option that was given with a value different from the run's.
    pub(super) fn conflicting_flag(&self, args: &EvalArgs) -> Option<&'static str> {
        let differs = |given: bool, same: bool| given && !same;
        let cases = &args.cases;
        let flags = [
            (differs(cases.filter.is_some(), cases.filter == self.filter), "--filter"),
            (differs(!cases.tags.is_empty(), cases.tags == self.tags), "--tag"),
            (differs(cases.sample.is_some(), cases.sample == self.sample), "--sample"),
            (
                differs(cases.sample_seed.is_some(), cases.sample_seed == Some(self.sample_seed)),
                "--sample-seed",
            ),
            (differs(args.repeat.is_some(), args.repeat == Some(self.repeat)), "--repeat"),
        ];
        flags.into_iter().find_map(|(differs, flag)| differs.then_some(flag))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs that an earlier version stored stay resumable.
    #[test]
    fn stored_json_is_stable() {
        let json = r#"{"filter":"^a","tags":["city"],"sample":2,"sample_seed":1,"repeat":3}"#;
        let options: SavedRunOptions = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&options).unwrap(), json);
        let unknown = json.replace("\"repeat\"", "\"later\":1,\"repeat\"");
        assert!(serde_json::from_str::<SavedRunOptions>(&unknown).is_err());
    }
}
