//! Loads scenarios of the simulator. The simulator itself defines which behaviors exist.

use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use super::diagnostic::{ConfigError, Diagnostic, check_version};
use super::yaml::{self, Spanned};
use crate::chat::{DurationError, parse_duration};
use crate::eval::{REGEX_HINT, explain_regex_error};

/// What to do with matching requests.
#[derive(Clone, Debug)]
pub(crate) struct ScenarioRule {
    /// Matched anywhere in the prompt; `None` matches every prompt.
    pub prompt: Option<regex::Regex>,
    /// Empty means all models.
    pub models: Vec<String>,
    /// Used one per request, in order.
    pub steps: Vec<ScenarioStep>,
}

#[derive(Clone, Debug)]
pub(crate) struct ScenarioStep {
    /// The simulator model or fault to behave as.
    pub behave_as: Option<String>,
    /// The text of the answer.
    pub reply: Option<String>,
    /// Overrides the model's latency.
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

/// `is_known` returns whether the simulator has a behavior with that name. Reports only the first syntax or
/// type error, but all other errors together.
pub(crate) fn load_scenario(
    path: &Path,
    is_known: &dyn Fn(&str) -> bool,
) -> Result<Vec<ScenarioRule>, ConfigError> {
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
        Err(error) => {
            let why = explain_regex_error(&error);
            let message = format!("invalid regular expression `{}`: {why}", written.value);
            problems.push(Diagnostic::new(message, written.span, REGEX_HINT));
            None
        }
    });
    if entry.steps.value.is_empty() {
        problems.push(Diagnostic::new(
            "`steps` is empty",
            entry.steps.span.clone(),
            "add a step, for example `- {reply: …}`",
        ));
    }
    let steps = entry.steps.value.into_iter().map(|step| {
        if let Some(unknown) = step.behave_as.as_ref().filter(|name| !is_known(&name.value)) {
            let message = format!("unknown simulator behavior `{}`", unknown.value);
            problems.push(Diagnostic::new(
                message,
                unknown.span.clone(),
                "use one of the models or faults that `slalom sim` lists",
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
