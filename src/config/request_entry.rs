//! Request settings of a golden set, such as sampling, tools, and the output schema.

use std::collections::HashMap;
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::diagnostic::Diagnostic;
use super::output_schema_file::parse_output_schema;
use super::set_folder::SetFolder;
use super::tools::parse_tools;
use super::yaml::Spanned;
use crate::chat::{JsonSchema, Request, ResponseFormat, TokenCount, Tool};

/// Settings of a set or of a single case.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RequestEntry {
    temperature: Option<Spanned<f64>>,
    top_p: Option<Spanned<f64>>,
    max_tokens: Option<Spanned<TokenCount>>,
    stop: Vec<String>,
    seed: Option<i64>,
    tools: Option<Spanned<String>>,
    schema: Option<Spanned<String>>,
}

impl RequestEntry {
    /// A case's settings, with the set's as defaults.
    pub(super) fn merge_over(&self, set: &Self) -> Self {
        Self {
            temperature: self.temperature.clone().or(set.temperature.clone()),
            top_p: self.top_p.clone().or(set.top_p.clone()),
            max_tokens: self.max_tokens.clone().or(set.max_tokens.clone()),
            stop: if self.stop.is_empty() { set.stop.clone() } else { self.stop.clone() },
            seed: self.seed.or(set.seed),
            tools: self.tools.clone().or(set.tools.clone()),
            schema: self.schema.clone().or(set.schema.clone()),
        }
    }
}

/// Builds requests from settings and caches the files they refer to.
pub(super) struct CaseRequestBuilder {
    folder: SetFolder,
    tools: HashMap<String, Vec<Tool>>,
    schemas: HashMap<String, ResponseFormat>,
}

impl CaseRequestBuilder {
    pub(super) fn new(folder: &SetFolder) -> Self {
        Self { folder: folder.clone(), tools: HashMap::new(), schemas: HashMap::new() }
    }

    /// Builds a request without messages. Skips problems already reported, so that a mistake in the set's
    /// settings appears once instead of once per case.
    pub(super) fn build(&mut self, settings: &RequestEntry, problems: &mut Vec<Diagnostic>) -> Request {
        let mut report = |problem: Diagnostic| {
            if !problems.contains(&problem) {
                problems.push(problem);
            }
        };
        let mut check_range = |value: &Option<Spanned<f64>>, max: f64, name: &str| {
            let value = value.as_ref()?;
            if !(0.0..=max).contains(&value.value) {
                let message = format!("`{name}` must be between 0 and {max}");
                report(Diagnostic::new(message, value.span.clone(), "use a number in that range"));
            }
            Some(value.value)
        };
        let (temperature, top_p) = (
            check_range(&settings.temperature, 2.0, "temperature"),
            check_range(&settings.top_p, 1.0, "top_p"),
        );
        if let Some(limit) = settings.max_tokens.as_ref().filter(|limit| limit.value == TokenCount::ZERO) {
            let hint = "use a number of output tokens of 1 or more";
            report(Diagnostic::new("`max_tokens` must be at least 1", limit.span.clone(), hint));
        }
        let tools = match settings.tools.as_ref().map(|path| (path, self.load_tools(&path.value))) {
            None => Vec::new(),
            Some((_, Ok(tools))) => tools,
            Some((path, Err(why))) => {
                let hint =
                    r#"use a file with a list of {"name": "…", "description": "…", "parameters": {…}}"#;
                report(Diagnostic::new(why, path.span.clone(), hint));
                Vec::new()
            }
        };
        let schema = match settings.schema.as_ref().map(|path| (path, self.load_schema(&path.value))) {
            None => None,
            Some((_, Ok(schema))) => Some(schema),
            Some((path, Err(why))) => {
                let hint = "use a file with a JSON Schema (see https://json-schema.org for examples)";
                report(Diagnostic::new(why, path.span.clone(), hint));
                None
            }
        };
        Request {
            temperature,
            top_p,
            max_output_tokens: settings.max_tokens.as_ref().map(|limit| limit.value),
            stop_sequences: settings.stop.clone(),
            seed: settings.seed,
            tools,
            response_format: schema,
            ..Request::default()
        }
    }

    fn load_tools(&mut self, name: &str) -> Result<Vec<Tool>, String> {
        if let Some(tools) = self.tools.get(name) {
            return Ok(tools.clone());
        }
        let path = self.folder.file(name)?;
        let list = read_json(&path, "list of tools")?;
        let tools =
            parse_tools(list).map_err(|(n, why)| format!("{}: tool {}: {why}", path.display(), n + 1))?;
        if tools.is_empty() {
            return Err(format!("no tools in {}", path.display()));
        }
        self.tools.insert(name.to_owned(), tools.clone());
        Ok(tools)
    }

    /// Uses a constant schema name, so that the digest of a case does not depend on the file's name.
    fn load_schema(&mut self, name: &str) -> Result<ResponseFormat, String> {
        if let Some(schema) = self.schemas.get(name) {
            return Ok(schema.clone());
        }
        let path = self.folder.file(name)?;
        let schema = parse_output_schema(JsonSchema::DEFAULT_NAME, read_json(&path, "JSON Schema")?)
            .map_err(|why| format!("{} is not a valid JSON Schema: {why}", path.display()))?;
        self.schemas.insert(name.to_owned(), schema.clone());
        Ok(schema)
    }
}

fn read_json<T: DeserializeOwned>(path: &Path, what: &str) -> Result<T, String> {
    let text =
        std::fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    serde_json::from_str(&text).map_err(|error| format!("{} is not a valid {what}: {error}", path.display()))
}
