//! What holds for all routes together: the budget, limits of providers, and the command that is run when a breaker opens.

use serde_json::{Map, json};

use super::routes::Reader;
use super::routes_file::{BudgetEntry, ExceededWord, HookEntry, LimitsEntry};
use super::template::Template;
use super::yaml::Located;
use crate::provider::Limits;
use crate::route::{Budget, Exceeded};

/// What the arguments of `on_breaker_open` may use.
const HOOK_VARIABLES: [&str; 4] = ["provider", "model", "reason", "open_seconds"];

impl Reader {
    /// How much may be spent.
    pub(super) fn budget(&mut self, entry: &BudgetEntry) -> Option<Budget> {
        let on_exceeded = match entry.on_exceeded {
            ExceededWord::Stop => Exceeded::Stop,
            ExceededWord::Warn => Exceeded::Warn,
        };
        Some(Budget { daily: self.usd(&entry.daily_usd)?, on_exceeded })
    }

    /// How much of a provider may be used at once.
    pub(super) fn limits(&mut self, entry: LimitsEntry) -> Limits {
        Limits {
            concurrency: self.limit(entry.concurrency),
            requests_per_minute: self.limit(entry.requests_per_minute),
            tokens_per_minute: self.limit(entry.tokens_per_minute),
        }
    }

    fn limit<N: PartialEq + Default>(&mut self, written: Option<Located<N>>) -> Option<N> {
        let written = written?;
        if written.value == N::default() {
            self.wrong("a limit of 0 lets nothing through", written.span, "write 1 or more, or leave it out");
            return None;
        }
        Some(written.value)
    }

    /// The command for an opened breaker: a program, and templates for its arguments.
    pub(super) fn hook(&mut self, entry: HookEntry) -> Option<Vec<String>> {
        let hint = "write a program and its arguments as a list: `command: [notify-send, \"{{ provider }} is down\"]`";
        let Some(program) = entry.command.value.first() else {
            self.wrong("`command` names no program", entry.command.span, hint);
            return None;
        };
        if program.value.trim().is_empty() {
            self.wrong("`command` names no program", program.span.clone(), hint);
        } else if program.value.contains("{{") || program.value.contains("{%") {
            // What is run must not hang on what somebody else's server says.
            let hint = "name the program itself; its arguments may hold variables";
            self.wrong("the program cannot be a template", program.span.clone(), hint);
        }
        for argument in entry.command.value.iter().skip(1) {
            if let Err((why, hint)) = hook_argument(&argument.value) {
                self.wrong(why, argument.span.clone(), hint);
            }
        }
        Some(entry.command.value.into_iter().map(|argument| argument.value).collect())
    }
}

fn hook_argument(text: &str) -> Result<(), (String, String)> {
    let broken = |error: super::TemplateError| (error.message, "check the braces there".to_owned());
    let template = Template::new(text).map_err(broken)?;
    let mut unknown: Vec<String> = template.variables().map_err(broken)?;
    unknown.retain(|name| !HOOK_VARIABLES.contains(&name.as_str()));
    unknown.sort();
    if let Some(name) = unknown.first() {
        let hint = format!("the variables known here are {}", HOOK_VARIABLES.join(", "));
        return Err((format!("there is no variable `{name}` here"), hint));
    }
    // A filter or a function that does not exist is found only by trying.
    let values = json!({"provider": "p", "model": "m", "reason": "r", "open_seconds": 15});
    let values: Map<_, _> = values.as_object().cloned().unwrap_or_default();
    template.render(&values).map(drop).map_err(broken)
}
