//! A scenario of the simulator, as it is written. What a behaviour's name means is the simulator's to say.

use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use super::diagnostic::{ConfigError, Diagnostic, check_version};
use super::yaml::{self, Spanned};
use super::{DurationError, parse_duration};

/// What to do with the requests that match.
#[derive(Clone, Debug)]
pub struct ScenarioRule {
    /// Found in the prompt; `None` matches every one.
    pub prompt: Option<regex::Regex>,
    /// The models that it holds for; none stands for all.
    pub models: Vec<String>,
    /// One step a request, in turn.
    pub steps: Vec<ScenarioStep>,
}

/// What to do with one request.
#[derive(Clone, Debug)]
pub struct ScenarioStep {
    /// The name of the model to behave as.
    pub behave_as: Option<String>,
    /// What to say.
    pub reply: Option<String>,
    /// How long to take.
    pub latency: Option<Duration>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ScenarioFile {
    version: Spanned<u32>,
    rules: Vec<RuleEntry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleEntry {
    #[serde(rename = "match")]
    prompt: Option<Spanned<String>>,
    #[serde(default)]
    models: Vec<String>,
    steps: Spanned<Vec<StepEntry>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct StepEntry {
    #[serde(rename = "as")]
    behave_as: Option<Spanned<String>>,
    reply: Option<String>,
    latency: Option<Spanned<String>>,
}

/// Reads a scenario. `is_known` says whether the simulator has a behaviour of that name.
///
/// # Errors
/// The first mistake of syntax or type; else all others together.
pub fn load_scenario(path: &Path, is_known: &dyn Fn(&str) -> bool) -> Result<Vec<ScenarioRule>, ConfigError> {
    let name = path.display().to_string();
    let text =
        std::fs::read_to_string(path).map_err(|error| ConfigError::cannot_read(name.as_str(), &error))?;
    let file: ScenarioFile = yaml::parse(&name, &text)?;
    let mut problems = Vec::new();
    problems.extend(check_version(&file.version));
    let rules = file.rules.into_iter().map(|entry| resolve_rule(entry, is_known, &mut problems)).collect();
    if problems.is_empty() { Ok(rules) } else { Err(ConfigError { path: name, text, diagnostics: problems }) }
}

fn resolve_rule(
    entry: RuleEntry,
    is_known: &dyn Fn(&str) -> bool,
    problems: &mut Vec<Diagnostic>,
) -> ScenarioRule {
    let prompt = entry.prompt.and_then(|written| match regex::Regex::new(&written.value) {
        Ok(regex) => Some(regex),
        Err(_) => {
            let message = format!("the expression `{}` is broken", written.value);
            problems.push(Diagnostic::new(
                message,
                written.span,
                "`match` is a regular expression in Rust's syntax",
            ));
            None
        }
    });
    if entry.steps.value.is_empty() {
        problems.push(Diagnostic::new(
            "a rule without steps",
            entry.steps.span.clone(),
            "add `- {reply: …}`",
        ));
    }
    let steps = entry.steps.value.into_iter().map(|step| {
        if let Some(unknown) = step.behave_as.as_ref().filter(|name| !is_known(&name.value)) {
            let message = format!("the simulator has no behaviour `{}`", unknown.value);
            problems.push(Diagnostic::new(
                message,
                unknown.span.clone(),
                "`slalom sim` lists its models and faults; each is one",
            ));
        }
        let latency = step.latency.and_then(|written| match parse_duration(&written.value) {
            Ok(latency) => Some(latency),
            Err(error) => {
                problems.push(Diagnostic::new(error.to_string(), written.span, DurationError::HINT));
                None
            }
        });
        ScenarioStep { behave_as: step.behave_as.map(|name| name.value), reply: step.reply, latency }
    });
    let steps = steps.collect();
    ScenarioRule { prompt, models: entry.models, steps }
}
