//! What holds for all routes together: the budget, limits of providers, and the command that is run when a breaker opens.

use serde_json::{Map, json};

use super::config_resolver::ConfigResolver;
use super::routes_file::{BudgetEntry, ExceededKeyword, HookEntry, LimitsEntry};
use super::template::Template;
use super::yaml::Spanned;
use crate::provider::ProviderLimits;
use crate::route::{DailyBudget, OnExceeded};

/// What the arguments of `on_breaker_open` may use.
const HOOK_VARIABLES: [&str; 4] = ["provider", "model", "reason", "open_seconds"];

impl ConfigResolver {
    /// How much may be spent.
    pub(super) fn resolve_budget(&mut self, entry: &BudgetEntry) -> Option<DailyBudget> {
        let on_exceeded = match entry.on_exceeded {
            ExceededKeyword::Stop => OnExceeded::Stop,
            ExceededKeyword::Warn => OnExceeded::Warn,
        };
        Some(DailyBudget { limit: self.resolve_usd(&entry.daily_usd)?, on_exceeded })
    }

    /// How much of a provider may be used at once.
    pub(super) fn resolve_limits(&mut self, entry: LimitsEntry) -> ProviderLimits {
        ProviderLimits {
            concurrency: self.resolve_limit(entry.concurrency),
            requests_per_minute: self.resolve_limit(entry.requests_per_minute),
            tokens_per_minute: self.resolve_limit(entry.tokens_per_minute),
        }
    }

    fn resolve_limit<N: PartialEq + Default>(&mut self, written: Option<Spanned<N>>) -> Option<N> {
        let written = written?;
        if written.value == N::default() {
            self.report(
                "a limit of 0 lets nothing through",
                written.span,
                "write 1 or more, or leave it out",
            );
            return None;
        }
        Some(written.value)
    }

    /// The command for an opened breaker: a program, and templates for its arguments.
    pub(super) fn resolve_hook(&mut self, entry: HookEntry) -> Option<Vec<String>> {
        let hint = "write a program and its arguments as a list: `command: [notify-send, \"{{ provider }} is down\"]`";
        let Some(program) = entry.command.value.first() else {
            self.report("`command` names no program", entry.command.span, hint);
            return None;
        };
        if program.value.trim().is_empty() {
            self.report("`command` names no program", program.span.clone(), hint);
        } else if program.value.contains("{{") || program.value.contains("{%") {
            // What is run must not hang on what somebody else's server says.
            let hint = "name the program itself; its arguments may hold variables";
            self.report("the program cannot be a template", program.span.clone(), hint);
        }
        for argument in entry.command.value.iter().skip(1) {
            if let Err((why, hint)) = check_hook_argument(&argument.value) {
                self.report(why, argument.span.clone(), hint);
            }
        }
        Some(entry.command.value.into_iter().map(|argument| argument.value).collect())
    }
}

fn check_hook_argument(text: &str) -> Result<(), (String, String)> {
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
