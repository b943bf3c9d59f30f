//! Whether a subject does worse than it used to: today's results against those of earlier runs.

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

/// So many earlier runs are a subject's history: enough to know how it usually does, and few enough that a change for good
/// is the usual soon.
const MAX_HISTORY_RUNS: usize = 10;

/// So many runs of a set are looked through for them.
const MAX_RUNS_SCANNED: u32 = 100;

/// The command of `--on-drift` may take so long.
const DRIFT_HOOK_TIMEOUT: Duration = Duration::from_secs(60);

/// What the arguments of `--on-drift` may use.
const HOOK_VARIABLES: [&str; 5] = ["subject", "set", "usual", "now", "difference"];

/// What a subject answered to these cases in its last runs of the set; `None` where there was none.
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
        // What an outage left open then says nothing of how it usually does.
        let pairs: Vec<_> = pairing.pairs.into_iter().filter(|(_, own)| scored(own)).collect();
        if pairs.is_empty() {
            continue;
        }
        for (case, own) in pairs {
            let none =
                || CaseOutcomes { case_id: case.id.clone(), digest: case.digest, outcomes: Vec::new() };
            all.entry(&case.id).or_insert_with(none).outcomes.extend(&own.outcomes);
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

/// How each subject stands to how it used to do; those without a history are left out.
pub(super) fn compare_with_history(
    context: &CommandContext,
    prepared: &PreparedRun,
    run: &str,
    results: &[SubjectResults],
) -> Vec<BaselineComparison> {
    // A drop that is allowed between two models is none that a model may have overnight; and what counts by itself is each
    // answer, since every run gave but a few.
    let gate = Gate { max_drop: None, ..prepared.gate.clone() };
    let mut comparisons = Vec::new();
    for (subject, results) in prepared.subjects.iter().zip(results) {
        let heads = prepared.case_metadata_for(subject);
        match load_history(context, &prepared.set, &heads, run, &subject.name) {
            Some(usual) => {
                let terms = ComparisonContext {
                    cases: &heads,
                    is_whole_set: prepared.is_whole_set,
                    min_pass: None,
                    gate: &gate,
                    challengers: prepared.subjects.len(),
                };
                let now = CaseOutcomes::group_by_case(&heads, &results.stats);
                comparisons.push(terms.compare(&usual, &subject.name, &now));
            }
            None => context.console.note(format_args!(
                "{}: no earlier run of {} to compare with; this one is the first",
                subject.name, prepared.set.path
            )),
        }
    }
    comparisons
}

/// The command of `--on-drift`: a program, and a template for each argument.
pub(super) struct DriftHook {
    program: String,
    templates: Vec<String>,
    /// The variables that hold keys, which it is not given.
    secrets: Vec<String>,
}

impl DriftHook {
    /// What was typed, in words as a shell would part them; no shell is asked.
    pub(super) fn parse(text: &str, config: &Config) -> Result<Self, CommandError> {
        let hint = format!(
            "write it as on a command line: --on-drift 'notify-send \"{{{{ subject }}}} fell\"'; its arguments may use {}",
            HOOK_VARIABLES.join(", ")
        );
        let unquoted = |word: &String| word.contains("{{") && !word.contains("}}");
        let wrong = |why: String| CommandError::usage(format!("--on-drift {why}")).with_hint(hint.clone());
        let words = shell_words::split(text).map_err(|error| wrong(format!("cannot be read: {error}")))?;
        let Some((program, templates)) = words.split_first().filter(|(program, _)| !program.is_empty())
        else {
            return Err(wrong("names no program".into()));
        };
        if let Some(word) = templates.iter().find(|word| unquoted(word)) {
            return Err(wrong(format!("parts `{word}` from the rest of its braces; put quotes around them")));
        }
        let secrets = secret_variables(config).map(str::to_owned).collect();
        let command = Self { program: program.clone(), templates: templates.to_vec(), secrets };
        let sample = HOOK_VARIABLES.map(|name| (name.to_owned(), Value::from("x")));
        command
            .render_arguments(&sample.into_iter().collect())
            .map_err(|why| wrong(format!("cannot be filled in: {why}")))?;
        Ok(command)
    }

    fn render_arguments(&self, values: &Map<String, Value>) -> Result<Vec<String>, String> {
        let fill = |text: &String| Template::new(text)?.render(values);
        self.templates.iter().map(fill).collect::<Result<_, _>>().map_err(|error| error.message)
    }

    /// Runs it once for each subject that fell, and waits for it.
    pub(super) async fn run_for_drifted(
        &self,
        context: &CommandContext,
        prepared: &[PreparedRun],
        finished: &[FinishedRun],
    ) {
        for (prepared, run) in prepared.iter().zip(finished) {
            for comparison in run.comparisons.iter().filter(|comparison| comparison.has_drifted()) {
                if let Err(why) = self.run(&prepared.set.name, comparison).await {
                    context.console.warn(format_args!("the command of --on-drift: {why}"));
                }
            }
        }
    }

    async fn run(&self, set: &str, comparison: &BaselineComparison) -> Result<(), String> {
        let Ok(found) = &comparison.result else { return Ok(()) };
        let figure = |value: f64| format!("{value:.3}");
        let values = json!({
            "subject": sanitize_argument(&comparison.challenger), "set": sanitize_argument(set), "usual": figure(found.baseline),
            "now": figure(found.challenger), "difference": figure(found.difference),
        });
        let arguments = self.render_arguments(&values.as_object().cloned().unwrap_or_default())?;
        let mut command = Command::new(&self.program);
        // What it prints goes to stderr: stdout may be one JSON object.
        command.args(arguments).stdin(Stdio::null()).stdout(std::io::stderr()).kill_on_drop(true);
        for name in &self.secrets {
            command.env_remove(name);
        }
        let program = &self.program;
        let mut child = command.spawn().map_err(|error| format!("`{program}` cannot be started: {error}"))?;
        match timeout(DRIFT_HOOK_TIMEOUT, child.wait()).await {
            Err(_) => {
                Err(format!("`{program}` took longer than {} s, and was ended", DRIFT_HOOK_TIMEOUT.as_secs()))
            }
            Ok(Err(error)) => Err(format!("`{program}` was lost: {error}")),
            Ok(Ok(status)) if !status.success() => Err(format!("`{program}` failed ({status})")),
            Ok(Ok(_)) => Ok(()),
        }
    }
}
