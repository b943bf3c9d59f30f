//! A golden set, from its file to its rendered cases.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use super::assertions::{AssertionEntry, Refused, Schemas, Surroundings, build};
use super::cases::{CaseEntry, Source, from_file};
use super::diagnostic::{ConfigError, Problem, version_problem};
use super::digest::sha256;
use super::identity::case_digest;
use super::prompts::{Files, MessageEntry, Prompt, PromptEntries, PromptEntry, prompts_of};
use super::set_request::{RequestEntry, Requests};
use super::yaml::{self, Located};
use crate::chat::{Request, Tool};
use crate::eval::{Assertion, Case, Gate, Limit, Set, SetPrompt};

/// The file as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SetFile {
    version: Located<u32>,
    name: String,
    description: Option<String>,
    #[serde(default)]
    models: Vec<Located<String>>,
    system: Option<Located<String>>,
    prompt: Option<Located<String>>,
    messages: Option<Vec<MessageEntry>>,
    prompts: Option<PromptEntries>,
    #[serde(default)]
    files: Vec<Located<String>>,
    #[serde(default)]
    request: RequestEntry,
    #[serde(default)]
    assert: Vec<AssertionEntry>,
    repeat: Option<Located<u32>>,
    min_pass: Option<Located<u32>>,
    gate: Option<GateEntry>,
    #[serde(default)]
    cases: Vec<CaseEntry>,
    #[serde(default)]
    cases_from: Vec<Located<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct GateEntry {
    min_pass_rate: Option<Located<f64>>,
    min_score: Option<Located<f64>>,
    max_unscored: Option<Located<Value>>,
}

/// Reads a golden set and everything it names.
///
/// # Errors
/// The first mistake of syntax or type; else all others together, each at its place.
pub fn load_set(path: &Path) -> Result<Set, ConfigError> {
    let name = path.display().to_string();
    let text =
        std::fs::read_to_string(path).map_err(|error| ConfigError::unreadable(name.as_str(), &error))?;
    let file: SetFile = yaml::parse(&name, &text)?;
    let folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
    let mut reader = Reader {
        requests: Requests::new(&folder),
        files: Files::new(&folder),
        schemas: Schemas::default(),
        folder,
        problems: Vec::new(),
    };
    let set = reader.read(file, name.clone())?;
    match set {
        Some(set) if reader.problems.is_empty() => Ok(set),
        _ => Err(ConfigError { path: name, text, problems: reader.problems }),
    }
}

struct Reader {
    folder: PathBuf,
    requests: Requests,
    files: Files,
    schemas: Schemas,
    problems: Vec<Problem>,
}

impl Reader {
    fn read(&mut self, file: SetFile, path: String) -> Result<Option<Set>, ConfigError> {
        self.problems.extend(version_problem(&file.version));
        let own = PromptEntry {
            system: file.system,
            prompt: file.prompt,
            messages: file.messages,
            files: file.files,
        };
        let prompts = prompts_of(&own, file.prompts.as_ref(), &mut self.problems);
        let mut entries: Vec<(CaseEntry, Source)> =
            file.cases.into_iter().map(|case| (case, Source::Set)).collect();
        for listed in &file.cases_from {
            match from_file(&self.folder, &listed.value) {
                Ok(more) => entries.extend(more),
                Err(problem) => self.problems.push(Problem { span: listed.span.clone(), ..problem }),
            }
        }
        if entries.is_empty() && self.problems.is_empty() {
            let hint = "add cases under `cases:`, or name a CSV or JSONL file under `cases_from:`";
            self.problems.push(Problem::new("the golden set has no cases", None, hint));
        }
        let mut by_prompt: Vec<Vec<Case>> =
            prompts.iter().map(|_| Vec::with_capacity(entries.len())).collect();
        let mut seen = std::collections::HashSet::new();
        if !prompts.is_empty() {
            for (entry, source) in &entries {
                if !seen.insert(entry.id.value.clone()) {
                    let message = format!("two cases have the id `{}`{source}", entry.id.value);
                    self.problems.push(Problem::new(
                        message,
                        entry.id.span.clone(),
                        "give each case an id of its own",
                    ));
                }
                let asked = self.case(entry, source, &prompts, &file.request, &file.assert);
                by_prompt.iter_mut().zip(asked).for_each(|(cases, case)| cases.push(case));
            }
        }
        let gate = file.gate.map(|gate| self.gate(gate));
        for (name, number) in [("repeat", &file.repeat), ("min_pass", &file.min_pass)] {
            if let Some(zero) = number.as_ref().filter(|number| number.value == 0) {
                let message = format!("`{name}` must be at least 1");
                self.problems.push(Problem::new(message, zero.span.clone(), "write a number of answers"));
            }
        }
        if !self.problems.is_empty() {
            return Ok(None);
        }
        let digests: Vec<&[u8]> = by_prompt.iter().flatten().map(|case| case.digest.as_bytes()).collect();
        let digest = sha256(&digests);
        let cases = by_prompt.first().cloned().unwrap_or_default();
        let named = prompts.into_iter().zip(by_prompt);
        let prompts =
            named.filter_map(|(prompt, cases)| Some(SetPrompt { name: prompt.name?, cases })).collect();
        Ok(Some(Set {
            name: file.name,
            description: file.description,
            path,
            digest,
            models: file.models.into_iter().map(|m| m.value).collect(),
            cases,
            prompts,
            repeat: file.repeat.map(|repeat| repeat.value),
            min_pass: file.min_pass.map(|min_pass| min_pass.value),
            gate,
        }))
    }

    /// A case as each of the prompts asks it, in their order; none where something is wrong.
    fn case(
        &mut self,
        entry: &CaseEntry,
        source: &Source,
        prompts: &[Prompt],
        settings: &RequestEntry,
        common: &[AssertionEntry],
    ) -> Vec<Case> {
        let id = &entry.id.value;
        let span = || entry.id.span.clone();
        let settings = entry.request.as_ref().map_or_else(|| settings.clone(), |own| own.over(settings));
        let base = self.requests.read(&settings, &mut self.problems);
        let (assertions, written) = self.assertions(entry, source, common, &base.tools);
        if common.is_empty() && entry.assert.is_empty() {
            let hint = "an answer that nothing is asked of would always pass; add `assert:`";
            self.problems.push(Problem::new(format!("case `{id}`{source} has no assertion"), span(), hint));
        }
        let mut cases = Vec::with_capacity(prompts.len());
        for prompt in prompts {
            let by = prompt.name.as_ref().map(|name| format!(", prompt `{name}`")).unwrap_or_default();
            let (system, messages) = match prompt.render(&entry.vars, &mut self.files) {
                Ok(rendered) => rendered,
                Err(error) => {
                    let message = format!("case `{id}`{source}{by}: {}", error.message);
                    self.problems.push(Problem::new(message, span(), error.hint));
                    continue;
                }
            };
            let request = Request { system, messages, ..base.clone() };
            if request.last_user_text().trim().is_empty() {
                let message = format!("case `{id}`{source}{by}: the prompt is empty");
                let hint = "say something in `prompt:`, or give its variable a value";
                self.problems.push(Problem::new(message, span(), hint));
            }
            cases.push(Case {
                id: id.clone(),
                digest: case_digest(&request, entry.reference.as_deref(), &written),
                request,
                reference: entry.reference.clone(),
                tags: entry.tags.clone(),
                assertions: assertions.clone(),
            });
        }
        cases
    }

    /// A case's assertions, the set's before its own, with what identifies each.
    fn assertions(
        &mut self,
        entry: &CaseEntry,
        source: &Source,
        common: &[AssertionEntry],
        tools: &[Tool],
    ) -> (Vec<Assertion>, Vec<Value>) {
        let id = &entry.id.value;
        let (mut assertions, mut written) = (Vec::new(), Vec::new());
        let own = entry.assert.iter().map(|assertion| (assertion, false));
        for (assertion, is_common) in common.iter().map(|assertion| (assertion, true)).chain(own) {
            let around = Surroundings {
                reference: entry.reference.as_deref(),
                folder: &self.folder,
                tools,
                schemas: &self.schemas,
            };
            match build(assertion, around) {
                Ok(built) => {
                    assertions.push(built.assertion);
                    written.push(built.identity);
                }
                Err(Refused { problem, of_case }) => {
                    // One in the set's common list is wrong once; a case that it does not fit is wrong itself.
                    let span = problem.span.filter(|_| !(of_case && is_common));
                    let message = match span {
                        Some(_) => problem.message,
                        None => format!("case `{id}`{source}: {}", problem.message),
                    };
                    let span = span.or(entry.id.span.clone());
                    let problem = Problem::new(message, span, problem.hint);
                    if !self.problems.contains(&problem) {
                        self.problems.push(problem);
                    }
                }
            }
        }
        (assertions, written)
    }

    fn gate(&mut self, entry: GateEntry) -> Gate {
        let mut share = |value: Option<Located<f64>>| {
            let value = value?;
            if !(0.0..=1.0).contains(&value.value) {
                self.problems.push(Problem::new(
                    "a floor must be between 0 and 1",
                    value.span.clone(),
                    "write 0.9 for 90 %",
                ));
            }
            Some(value.value)
        };
        let (min_pass_rate, min_score) = (share(entry.min_pass_rate), share(entry.min_score));
        let max_unscored = entry.max_unscored.and_then(|limit| {
            let read = match &limit.value {
                Value::String(text) => text.parse().ok(),
                other => other.as_u64().map(Limit::Count),
            };
            if read.is_none() {
                let hint = "write a number of cases, or a share as `1%`";
                self.problems.push(Problem::new("`max_unscored` is neither", limit.span, hint));
            }
            read
        });
        Gate { min_pass_rate, min_score, max_unscored }
    }
}
