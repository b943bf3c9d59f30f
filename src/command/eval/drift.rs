//! Drift: compares a subject's results with its own earlier runs.

use std::collections::HashMap;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::process::Command;
use tokio::time::timeout;

use super::baseline::group_by_case;
use super::execute::FinishedRun;
use super::resume::canonical_set_path;
use super::{CommandContext, CommandError, PreparedRun};
use crate::command::breaker_hook::{sanitize_argument, secret_variables};
use crate::config::{Config, Template};
use crate::eval::{
    Baseline, BaselineComparison, BaselineOrigin, CaseMetadata, CaseOutcomes, CasePairing, ComparisonContext,
    Gate, GoldenSet, SubjectResults, Verdict,
};

/// Maximum number of earlier runs in the history: enough to estimate the usual results, but few enough that a
/// lasting change soon becomes the norm.
const MAX_HISTORY_RUNS: usize = 10;

/// Maximum number of runs of the set to search for that history.
const MAX_RUNS_SCANNED: u32 = 100;

const DRIFT_HOOK_TIMEOUT: Duration = Duration::from_secs(60);

/// Variables available to the arguments of `--on-drift`.
const HOOK_VARIABLES: [&str; 5] = ["subject", "set", "usual", "now", "difference"];

/// Collects the subject's results for these cases in its latest runs; `None` if there are none.
pub(super) fn load_history(
    context: &CommandContext,
    set: &GoldenSet,
    cases: &[CaseMetadata],
    run: &str,
    subject: &str,
) -> Option<Baseline> {
    let health = context.open_health();
    let (ledger, path) = (health.ledger(), canonical_set_path(set));
    let mut runs = 0;
    let mut all: HashMap<&str, CaseOutcomes> = HashMap::new();
    for earlier in ledger.read(|rows| rows.recent_runs(&path, run, MAX_RUNS_SCANNED)) {
        let rows = ledger.read(|rows| rows.result_summaries(&earlier.id, subject, false));
        let baseline = Baseline {
            subject: subject.to_owned(),
            origin: BaselineOrigin::History(1),
            cases: group_by_case(&rows),
        };
        let scored =
            |own: &CaseOutcomes| own.outcomes.iter().any(|outcome| outcome.verdict != Verdict::Unscored);
        let pairing = CasePairing::match_cases(cases, &baseline);
        // Unscored results, for example from an outage, say nothing about the usual results.
        let pairs: Vec<_> = pairing.pairs.into_iter().filter(|(_, own)| scored(own)).collect();
        if pairs.is_empty() {
            continue;
        }
        for (case, own) in pairs {
            let empty =
                || CaseOutcomes { case_id: case.id.clone(), digest: case.digest, outcomes: Vec::new() };
            all.entry(&case.id).or_insert_with(empty).outcomes.extend(&own.outcomes);
        }
        runs += 1;
        if runs == MAX_HISTORY_RUNS {
            break;
        }
    }
    let origin = BaselineOrigin::History(runs);
    let answered = cases.iter().filter_map(|case| all.remove(&*case.id)).collect();
    (runs > 0).then(|| Baseline { subject: subject.to_owned(), origin, cases: answered })
}

/// Compares each subject with its own history. Subjects without history are omitted with a note.
pub(super) fn compare_with_history(
    context: &CommandContext,
    prepared: &PreparedRun,
    run: &str,
    results: &[SubjectResults],
) -> Vec<BaselineComparison> {
    // `max_drop` is a tolerance between two models and does not apply to one model over time. Every answer
    // counts by itself (no `min_pass`), because each run has only a few answers per case.
    let gate = Gate { max_drop: None, ..prepared.gate.clone() };
    let mut comparisons = Vec::new();
    for (subject, results) in prepared.subjects.iter().zip(results) {
        let metadata = prepared.case_metadata_for(subject);
        match load_history(context, &prepared.set, &metadata, run, &subject.name) {
            Some(history) => {
                let comparison = ComparisonContext {
                    cases: &metadata,
                    is_whole_set: prepared.is_whole_set,
                    min_pass: None,
                    gate: &gate,
                    challengers: prepared.subjects.len(),
                };
                let now = CaseOutcomes::group_by_case(&metadata, &results.stats);
                comparisons.push(comparison.compare(&history, &subject.name, &now));
            }
            None => context.console.note(format_args!(
                "{}: no earlier run of {} to compare with; this is the first",
                subject.name, prepared.set.path
            )),
        }
    }
    comparisons
}

/// The `--on-drift` command: a program, and a template for each argument.
pub(super) struct DriftHook {
    program: String,
    templates: Vec<String>,
    /// Variables that hold API keys, removed from the command's environment.
    secrets: Vec<String>,
}

impl DriftHook {
    /// Splits the command line like a shell, but runs no shell.
    pub(super) fn parse(text: &str, config: &Config) -> Result<Self, CommandError> {
        let hint = format!(
            "use a command line such as --on-drift 'notify-send \"{{{{ subject }}}} dropped\"' (variables: {})",
            HOOK_VARIABLES.join(", ")
        );
        let unquoted = |word: &String| word.contains("{{") && !word.contains("}}");
        let invalid =
            |why: String| CommandError::usage(format!("invalid --on-drift: {why}")).with_hint(hint.clone());
        let words = shell_words::split(text)
            .map_err(|error| invalid(format!("cannot split the command line: {error}")))?;
        let Some((program, templates)) = words.split_first().filter(|(program, _)| !program.is_empty())
        else {
            return Err(invalid("missing program".into()));
        };
        if let Some(word) = templates.iter().find(|word| unquoted(word)) {
            return Err(invalid(format!("unquoted template in `{word}`: put quotes around `{{{{ … }}}}`")));
        }
        let secrets = secret_variables(config).map(str::to_owned).collect();
        let command = Self { program: program.clone(), templates: templates.to_vec(), secrets };
        let sample = HOOK_VARIABLES.map(|name| (name.to_owned(), Value::from("x")));
        command.render_arguments(&sample.into_iter().collect()).map_err(invalid)?;
        Ok(command)
    }

    fn render_arguments(&self, values: &Map<String, Value>) -> Result<Vec<String>, String> {
        let fill = |text: &String| Template::new(text)?.render(values);
        self.templates.iter().map(fill).collect::<Result<_, _>>().map_err(|error| error.message)
    }

    /// Runs the command for each subject that drifted and waits for it.
    pub(super) async fn run_for_drifted(
        &self,
        context: &CommandContext,
        prepared: &[PreparedRun],
        finished: &[FinishedRun],
    ) {
        for (prepared, run) in prepared.iter().zip(finished) {
            for comparison in run.comparisons.iter().filter(|comparison| comparison.has_drifted()) {
                if let Err(why) = self.run(&prepared.set.name, comparison).await {
                    context.console.warn(format_args!("--on-drift command failed: {why}"));
                }
            }
        }
    }

    async fn run(&self, set: &str, comparison: &BaselineComparison) -> Result<(), String> {
        let Ok(found) = &comparison.result else { return Ok(()) };
        let three_decimals = |value: f64| format!("{value:.3}");
        let values = json!({
            "subject": sanitize_argument(&comparison.challenger), "set": sanitize_argument(set), "usual": three_decimals(found.baseline),
            "now": three_decimals(found.challenger), "difference": three_decimals(found.difference),
        });
        let arguments = self.render_arguments(&values.as_object().cloned().unwrap_or_default())?;
        let mut command = Command::new(&self.program);
        // The command's output goes to stderr, because stdout may be a single JSON object.
        command.args(arguments).stdin(Stdio::null()).stdout(std::io::stderr()).kill_on_drop(true);
        for name in &self.secrets {
            command.env_remove(name);
        }
        let program = &self.program;
        let mut child = command.spawn().map_err(|error| format!("cannot start `{program}`: {error}"))?;
        match timeout(DRIFT_HOOK_TIMEOUT, child.wait()).await {
            Err(_) => Err(format!("`{program}` timed out after {} s", DRIFT_HOOK_TIMEOUT.as_secs())),
            Ok(Err(error)) => Err(format!("cannot wait for `{program}`: {error}")),
            Ok(Ok(status)) if !status.success() => Err(format!("`{program}` failed ({status})")),
            Ok(Ok(_)) => Ok(()),
        }
    }
}
