//! Baseline files: results, without the answers, for a later gate to compare with.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::diagnostic::ConfigError;
use crate::chat::pluralize;
use crate::eval::statistics::RepeatOutcome;
use crate::eval::{Baseline, BaselineOrigin, CaseOutcomes, SubjectSummary, Verdict};
use crate::provider::ModelRef;

const SCHEMA: &str = "slalom.baseline/1";

#[derive(Clone, Debug)]
pub(crate) struct BaselineSubject<'a> {
    pub summary: &'a SubjectSummary,
    /// The models that answered, each with its number of answers.
    pub served_by: Vec<(&'a ModelRef, usize)>,
    pub answered: &'a [CaseOutcomes],
}

#[derive(Deserialize)]
struct BaselineFile {
    schema: String,
    #[serde(default)]
    subjects: Vec<BaselineSubjectEntry>,
}

#[derive(Deserialize)]
struct BaselineSubjectEntry {
    subject: String,
    cases: Vec<BaselineCaseEntry>,
}

/// One case per line of the file. Verdicts and scores are in the order of the repeats.
#[derive(Serialize, Deserialize)]
struct BaselineCaseEntry {
    case: String,
    digest: String,
    verdicts: Vec<Verdict>,
    scores: Vec<Option<f64>>,
}

/// Loads the baseline of `subject`, or of the only subject in the file.
pub(crate) fn load_baseline(path: &Path, subject: Option<&str>) -> Result<Baseline, ConfigError> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| ConfigError::cannot_read(&*name, &error))?;
    let file_error = |message: String, hint: &str| ConfigError::for_file(&*name, message, hint);
    let hint = "create one with `slalom eval SET -m MODEL --save-baseline FILE`";
    let file: BaselineFile = serde_json::from_str(&text)
        .map_err(|error| file_error(format!("not a baseline file: {error}"), hint))?;
    if file.schema != SCHEMA {
        return Err(file_error(format!("not a baseline file: unknown schema {}", file.schema), hint));
    }
    let names: Vec<&str> = file.subjects.iter().map(|entry| entry.subject.as_str()).collect();
    let known = format!("available subjects: {}", names.join(", "));
    let mut entries = file.subjects.iter().filter(|entry| subject.is_none_or(|name| entry.subject == name));
    let entry = match (entries.next(), entries.next(), subject) {
        (Some(entry), None, _) => entry,
        (None, _, None) => return Err(file_error("no subjects in the baseline".into(), hint)),
        (None, _, Some(name)) => return Err(file_error(format!("unknown subject `{name}`"), &known)),
        (Some(_), Some(_), _) => {
            let hint = format!("use {name}:SUBJECT ({known})");
            return Err(file_error("the baseline has several subjects".into(), &hint));
        }
    };
    let answered = entry.cases.iter().map(parse_case_outcomes).collect::<Result<Vec<_>, _>>();
    let answered = answered.map_err(|why| file_error(why, hint))?;
    Ok(Baseline {
        subject: entry.subject.clone(),
        origin: BaselineOrigin::File(name.clone()),
        cases: answered,
    })
}

fn parse_case_outcomes(entry: &BaselineCaseEntry) -> Result<CaseOutcomes, String> {
    let is_valid = |score: &Option<f64>| score.is_none_or(|score| (0.0..=1.0).contains(&score));
    let id = &entry.case;
    if entry.verdicts.len() != entry.scores.len() {
        return Err(format!(
            "case `{id}` has {} but {}",
            pluralize(entry.verdicts.len(), "verdict"),
            pluralize(entry.scores.len(), "score")
        ));
    }
    if !entry.scores.iter().all(is_valid) {
        return Err(format!("case `{id}` has a score outside the range 0 to 1"));
    }
    let outcomes = entry.verdicts.iter().zip(&entry.scores);
    Ok(CaseOutcomes {
        case_id: id.as_str().into(),
        digest: entry.digest.parse().map_err(|why| format!("case `{id}`: {why}"))?,
        outcomes: outcomes
            .map(|(verdict, score)| RepeatOutcome { verdict: *verdict, score: *score })
            .collect(),
    })
}

/// Renders a baseline with one case per line, for readable diffs.
pub(crate) fn render_baseline(
    (name, digest): (&str, &str),
    saved: &str,
    subjects: &[BaselineSubject<'_>],
) -> serde_json::Result<String> {
    let mut text = format!(
        "{{\"schema\": {},\n \"saved\": {}, \"set\": {},\n \"subjects\": [",
        json!(SCHEMA),
        json!(saved),
        json!({"name": name, "digest": digest})
    );
    for (n, subject) in subjects.iter().enumerate() {
        text += if n == 0 { "\n" } else { ",\n" };
        let head = subject_header_json(subject).to_string();
        // The cases follow in the same object.
        text += head.strip_suffix('}').unwrap_or(&head);
        text += ", \"cases\": [";
        for (n, answered) in subject.answered.iter().enumerate() {
            let entry = BaselineCaseEntry {
                case: answered.case_id.to_string(),
                digest: answered.digest.to_string(),
                verdicts: answered.outcomes.iter().map(|outcome| outcome.verdict).collect(),
                scores: answered.outcomes.iter().map(|outcome| outcome.score).collect(),
            };
            text += if n == 0 { "\n" } else { ",\n" };
            text += &serde_json::to_string(&entry)?;
        }
        text += "]}";
    }
    Ok(text + "]}\n")
}

fn subject_header_json(subject: &BaselineSubject<'_>) -> Value {
    let BaselineSubject { summary, .. } = subject;
    let served = subject.served_by.iter().map(|(model, count)| (model.to_string(), (*count).into()));
    let served_by: serde_json::Map<String, Value> = served.collect();
    json!({
        "subject": summary.subject, "simulated": summary.is_simulated, "served_by": served_by,
        "passed": summary.passed, "failed": summary.failed, "unscored": summary.unscored,
        "pass_rate": summary.pass_rate, "mean_score": summary.mean_score,
        "p50_ms": summary.latency_ms.map(|latency| latency[0]), "p95_ms": summary.latency_ms.map(|latency| latency[1]),
        "cost_usd": summary.cost.usd(), "cost_source": summary.cost.source.name(),
    })
}
