//! Settings that apply to all routes: the budget, provider limits, and the command for an open breaker.

use serde_json::{Map, json};

use super::config_resolver::ConfigResolver;
use super::routes_file::{BudgetEntry, ExceededKeyword, HookEntry, LimitsEntry};
use super::template::Template;
use super::yaml::Spanned;
use crate::chat::TokenCount;
use crate::provider::ProviderLimits;
use crate::route::{DailyBudget, OnExceeded};

/// Variables available to the arguments of `on_breaker_open`.
const HOOK_VARIABLES: [&str; 4] = ["provider", "model", "reason", "open_seconds"];

impl ConfigResolver {
    pub(super) fn resolve_budget(&mut self, entry: &BudgetEntry) -> Option<DailyBudget> {
        let on_exceeded = match entry.on_exceeded {
            ExceededKeyword::Stop => OnExceeded::Stop,
            ExceededKeyword::Warn => OnExceeded::Warn,
        };
        Some(DailyBudget { limit: self.resolve_usd(&entry.daily_usd)?, on_exceeded })
    }

    pub(super) fn resolve_limits(&mut self, entry: LimitsEntry) -> ProviderLimits {
        ProviderLimits {
            concurrency: self.resolve_limit(entry.concurrency),
            requests_per_minute: self.resolve_limit(entry.requests_per_minute),
            tokens_per_minute: self.resolve_limit(entry.tokens_per_minute).map(TokenCount::new),
        }
    }

    fn resolve_limit<N: PartialEq + Default>(&mut self, written: Option<Spanned<N>>) -> Option<N> {
        let written = written?;
        if written.value == N::default() {
            self.report(
                "invalid limit `0`: no call could run",
                written.span,
                "use 1 or more, or remove the limit",
            );
            return None;
        }
        Some(written.value)
    }

    /// Resolves the breaker hook to a program and templates for its arguments.
    pub(super) fn resolve_hook(&mut self, entry: HookEntry) -> Option<Vec<String>> {
        let hint = "write a program and its arguments as a list: `command: [notify-send, \"{{ provider }} is down\"]`";
        let Some(program) = entry.command.value.first() else {
            self.report("missing program in `command`", entry.command.span, hint);
            return None;
        };
        if program.value.trim().is_empty() {
            self.report("missing program in `command`", program.span.clone(), hint);
        } else if program.value.contains("{{") || program.value.contains("{%") {
            // Text from a server must not decide which program runs.
            let hint = "use a fixed program name (only its arguments can contain variables)";
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
    let template_error = |error: super::TemplateError| {
        let hint = error.syntax_hint().to_owned();
        (error.message, hint)
    };
    let template = Template::new(text).map_err(template_error)?;
    let mut unknown: Vec<String> = template.variables().map_err(template_error)?;
    unknown.retain(|name| !HOOK_VARIABLES.contains(&name.as_str()));
    unknown.sort();
    if let Some(name) = unknown.first() {
        let hint = format!("use one of {}", HOOK_VARIABLES.join(", "));
        return Err((format!("unknown variable `{name}`"), hint));
    }
    // Only rendering finds unknown filters and functions.
    let values = json!({"provider": "p", "model": "m", "reason": "r", "open_seconds": 15});
    let values: Map<_, _> = values.as_object().cloned().unwrap_or_default();
    template.render(&values).map(drop).map_err(template_error)
}
