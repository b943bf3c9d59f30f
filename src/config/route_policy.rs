//! Resolves the policy of a route and of the defaults: strategy, requirements, timeouts, retries, and
//! reactions to failures.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::config_resolver::ConfigResolver;
use super::diagnostic::ConfigError;
use super::golden_set_file::load_golden_set;
use super::route_entry::{
    DefaultsEntry, MissingScoreKeyword, OnConversation, OnFailure, OnMidstream, QualityEntry, RetryEntry,
    RetryWhenKeyword, RouteEntry, TimeoutsEntry,
};
use super::set_folder::FileAccess;
use super::yaml::Spanned;
use crate::catalog::{Capability, parse_usd};
use crate::chat::{DurationError, NanoDollars, parse_age, parse_duration};
use crate::route::{
    CallTimeouts, CandidateRequirements, LocatedOption, OnMissingPassRate, OptionProblem, OptionValue,
    QualityFloor, RetryPolicy, RetryWhen, RoutePolicy, RouteStrategy, StopOrContinue, StrategyOptions,
    parse_strategy,
};

/// The `on_…` settings as written.
struct FailureChoices {
    midstream: Option<OnMidstream>,
    content_policy: Option<OnFailure>,
    bad_request: Option<OnFailure>,
    unknown: Option<OnFailure>,
    conversation: Option<OnConversation>,
}

impl FailureChoices {
    /// Applies these settings to a policy, which keeps its own where none is set.
    fn apply_to(&self, policy: RoutePolicy) -> RoutePolicy {
        let on = |choice: Option<OnFailure>, default: StopOrContinue| match choice {
            None => default,
            Some(OnFailure::Stop) => StopOrContinue::Stop,
            Some(OnFailure::Failover) => StopOrContinue::Continue,
        };
        RoutePolicy {
            on_midstream: match self.midstream {
                None => policy.on_midstream,
                Some(OnMidstream::Stop) => StopOrContinue::Stop,
                Some(OnMidstream::Restart) => StopOrContinue::Continue,
            },
            on_content_policy: on(self.content_policy, policy.on_content_policy),
            on_bad_request: on(self.bad_request, policy.on_bad_request),
            on_unknown: on(self.unknown, policy.on_unknown),
            on_conversation: match self.conversation {
                None => policy.on_conversation,
                Some(OnConversation::Stay) => StopOrContinue::Stop,
                Some(OnConversation::Failover) => StopOrContinue::Continue,
            },
            ..policy
        }
    }
}

impl ConfigResolver {
    pub(super) fn resolve_default_policy(&mut self, defaults: &DefaultsEntry) -> RoutePolicy {
        let choices = FailureChoices {
            midstream: defaults.on_midstream,
            content_policy: defaults.on_content_policy,
            bad_request: defaults.on_bad_request,
            unknown: defaults.on_unknown,
            conversation: defaults.on_conversation,
        };
        choices.apply_to(RoutePolicy {
            timeouts: self.resolve_deadlines(
                CallTimeouts::default(),
                defaults.deadline.as_ref(),
                &defaults.timeouts,
            ),
            retry: self.resolve_retry(&defaults.retry, RetryPolicy::default()),
            ..RoutePolicy::default()
        })
    }

    /// Reports a default first-token timeout that exceeds the deadline of every route.
    pub(super) fn check_default_timeouts(
        &mut self,
        defaults: &DefaultsEntry,
        policy: &RoutePolicy,
        longest: Option<Duration>,
    ) {
        let deadline = longest.unwrap_or_default().max(policy.timeouts.deadline);
        if let (Some(first_token), Some(written)) =
            (policy.timeouts.first_token, &defaults.timeouts.first_token)
        {
            self.check_first_token_timeout(first_token, deadline, written);
        }
    }

    pub(super) fn resolve_policy(
        &mut self,
        entry: &RouteEntry,
        strategy: RouteStrategy,
        defaults: &RoutePolicy,
    ) -> RoutePolicy {
        let requirements = self.resolve_requirements(entry);
        let deadlines = self.resolve_deadlines(defaults.timeouts, entry.deadline.as_ref(), &entry.timeouts);
        if let (Some(first_token), Some(written)) = (deadlines.first_token, &entry.timeouts.first_token) {
            self.check_first_token_timeout(first_token, deadlines.deadline, written);
        }
        if let Some(connect) = &entry.timeouts.connect {
            let hint = "set it under `defaults: timeouts:`".to_owned();
            self.report("`connect` cannot be set for a single route", connect.span.clone(), hint);
        }
        let choices = FailureChoices {
            midstream: entry.on_midstream,
            content_policy: entry.on_content_policy,
            bad_request: entry.on_bad_request,
            unknown: entry.on_unknown,
            conversation: entry.on_conversation,
        };
        let retry = self.resolve_retry(&entry.retry, defaults.retry);
        choices.apply_to(RoutePolicy {
            strategy,
            requirements,
            timeouts: deadlines,
            retry,
            ..defaults.clone()
        })
    }

    /// `None` if the strategy is unknown.
    pub(super) fn resolve_strategy(
        &mut self,
        name: Option<&Spanned<String>>,
        options: Vec<(&'static str, OptionValue)>,
    ) -> Option<RouteStrategy> {
        let name = name.map(|name| LocatedOption { value: name.value.clone(), span: name.span.clone() });
        let mut options = StrategyOptions::new(options);
        let strategy = parse_strategy(name.as_ref(), &mut options);
        for OptionProblem { message, span, hint } in options.into_problems() {
            self.report(message, span, hint);
        }
        strategy
    }

    fn resolve_requirements(&mut self, entry: &RouteEntry) -> CandidateRequirements {
        let known = Capability::ALL.map(Capability::name);
        let parse = |word: &str| Capability::ALL.into_iter().find(|capability| capability.name() == word);
        let mut requires = self.resolve_keywords(&entry.requires, &known, "capability", parse);
        let mut seen = Vec::new();
        requires.retain(|capability| {
            !seen.contains(capability) && {
                seen.push(*capability);
                true
            }
        });
        if let Some(zero) = entry.max_p50_ms.as_ref().filter(|limit| limit.value == 0) {
            self.report("`max_p50_ms` must be at least 1", zero.span.clone(), "use 1 ms or more");
        }
        CandidateRequirements {
            capabilities: requires,
            quality: entry.quality.as_ref().and_then(|quality| self.resolve_quality_floor(quality)),
            max_cost: entry.max_cost_usd.as_ref().and_then(|limit| self.resolve_usd(limit)),
            max_p50: entry.max_p50_ms.as_ref().map(|limit| Duration::from_millis(limit.value)),
        }
    }

    fn resolve_quality_floor(&mut self, entry: &QualityEntry) -> Option<QualityFloor> {
        let rate = &entry.min_pass_rate;
        if !(0.0..=1.0).contains(&rate.value) {
            self.report("`min_pass_rate` must be between 0 and 1", rate.span.clone(), "use 0.9 for 90%");
        }
        let max_age = entry.max_age.as_ref().and_then(|age| match parse_age(&age.value) {
            Ok(age) if !age.is_zero() => Some(age),
            Ok(_) => {
                self.report("`max_age` must be above 0", age.span.clone(), DurationError::AGE_HINT);
                None
            }
            Err(error) => {
                self.report(error.to_string(), age.span.clone(), DurationError::AGE_HINT);
                None
            }
        });
        let (set, digest) = self.resolve_golden_set(&entry.set)?;
        Some(QualityFloor {
            set,
            digest,
            min_pass_rate: rate.value,
            max_age,
            on_missing: match entry.missing {
                MissingScoreKeyword::Warn => OnMissingPassRate::Warn,
                MissingScoreKeyword::Skip => OnMissingPassRate::Skip,
            },
        })
    }

    /// Returns the path and digest of a valid golden set.
    fn resolve_golden_set(&mut self, written: &Spanned<String>) -> Option<(PathBuf, String)> {
        match load_set_digest(
            &self.folder.clone().unwrap_or_default().join(&written.value),
            self.file_access,
            &self.valid_sets,
        ) {
            Ok(set) => {
                self.valid_sets.push(set.clone());
                Some(set)
            }
            Err(why) => {
                let hint = "check the path (it is relative to this file), or run `slalom check SET` to list all errors in the set";
                let message = format!("invalid golden set `{}`: {why}", written.value);
                self.report(message, written.span.clone(), hint);
                None
            }
        }
    }

    /// Parses an amount in USD above 0.
    pub(super) fn resolve_usd(&mut self, written: &Spanned<String>) -> Option<NanoDollars> {
        let hint = "use an amount in USD above 0, with up to nine decimal places, for example 0.05";
        let text = written.value.trim();
        let is_negative = text.strip_prefix('-').is_some_and(|amount| parse_usd(amount).is_some());
        let why = match parse_usd(&written.value) {
            Some(amount) if amount > NanoDollars::ZERO => return Some(amount),
            Some(_) => "must be above 0",
            None if is_negative => "must be above 0",
            None => "expected an amount in USD",
        };
        self.report(format!("invalid amount `{text}`: {why}"), written.span.clone(), hint);
        None
    }

    fn resolve_retry(&mut self, entry: &RetryEntry, defaults: RetryPolicy) -> RetryPolicy {
        if let Some(retries) = entry.retries.as_ref().filter(|r| r.value > 10) {
            self.report("`retries` must be at most 10", retries.span.clone(), "use a number from 0 to 10");
        }
        let retry = RetryPolicy {
            retries: entry.retries.as_ref().map_or(defaults.retries, |r| r.value),
            when: match entry.when.as_ref().map(|when| when.value) {
                None => defaults.when,
                Some(RetryWhenKeyword::Alone) => RetryWhen::Alone,
                Some(RetryWhenKeyword::First) => RetryWhen::First,
            },
            base: self.resolve_duration(entry.base.as_ref()).unwrap_or(defaults.base),
            cap: self.resolve_duration(entry.cap.as_ref()).unwrap_or(defaults.cap),
        };
        let when = entry.when.as_ref().map(|when| ("when", when.span.clone()));
        let base = entry.base.as_ref().map(|base| ("base", base.span.clone()));
        let cap = entry.cap.as_ref().map(|cap| ("cap", cap.span.clone()));
        if retry.retries == 0
            && let Some((key, span)) = when.or(base.clone()).or(cap.clone())
        {
            let hint = format!("set `retries` to 1 or more, or remove `{key}`");
            self.report(format!("`{key}` has no effect with 0 retries"), span, hint);
        }
        if retry.base > retry.cap
            && let Some((_, span)) = base.or(cap)
        {
            self.report("`base` is longer than `cap`", span, "make `cap` at least as long as `base`");
        }
        retry
    }

    fn resolve_deadlines(
        &mut self,
        defaults: CallTimeouts,
        deadline: Option<&Spanned<String>>,
        timeouts: &TimeoutsEntry,
    ) -> CallTimeouts {
        CallTimeouts {
            deadline: self.resolve_duration(deadline).unwrap_or(defaults.deadline),
            first_token: self.resolve_duration(timeouts.first_token.as_ref()).or(defaults.first_token),
            idle: self.resolve_duration(timeouts.idle.as_ref()).unwrap_or(defaults.idle),
        }
    }

    /// Reports a first-token timeout that has no effect, because the deadline of the call expires first.
    fn check_first_token_timeout(
        &mut self,
        first_token: Duration,
        deadline: Duration,
        written: &Spanned<String>,
    ) {
        if first_token > deadline {
            self.report(
                format!(
                    "`first_token` has no effect: the deadline of {} s expires first",
                    deadline.as_secs_f64()
                ),
                written.span.clone(),
                "make `deadline` at least as long as `first_token`",
            );
        }
    }

    pub(super) fn resolve_duration(&mut self, written: Option<&Spanned<String>>) -> Option<Duration> {
        let written = written?;
        match parse_duration(&written.value) {
            Ok(duration) if !duration.is_zero() => return Some(duration),
            Ok(_) => {
                let message = format!("invalid duration `{}`: must be above 0", written.value);
                self.report(message, written.span.clone(), DurationError::HINT);
            }
            Err(error) => self.report(error.to_string(), written.span.clone(), DurationError::HINT),
        }
        None
    }
}

/// Returns the canonical path and digest of a golden set. Sets in `valid` are not loaded again.
fn load_set_digest(
    path: &Path,
    access: FileAccess,
    valid: &[(PathBuf, String)],
) -> Result<(PathBuf, String), String> {
    let path = path.canonicalize().map_err(|error| format!("cannot read the file: {error}"))?;
    // Reading anything else might never end.
    if !path.is_file() {
        return Err("not a file".to_owned());
    }
    if let Some(known) = valid.iter().find(|(known, _)| *known == path) {
        return Ok(known.clone());
    }
    let first = |error: ConfigError| error.diagnostics.into_iter().next().map(|problem| problem.message);
    let set = load_golden_set(&path, access).map_err(|error| first(error).unwrap_or_default())?;
    Ok((path, set.digest))
}
