//! The policy of a route, and of all routes: how candidates are ordered, what they must offer, how failures are met.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::config_resolver::ConfigResolver;
use super::diagnostic::ConfigError;
use super::duration::parse_age;
use super::golden_set_file::load_golden_set;
use super::route_entry::{
    DefaultsEntry, MissingScoreKeyword, OnConversation, OnFailure, OnMidstream, QualityEntry, RetryEntry,
    RetryWhenKeyword, RouteEntry, StrategyKeyword, TimeoutsEntry, WeighEntry,
};
use super::set_folder::FileAccess;
use super::yaml::Spanned;
use super::{DurationError, parse_duration};
use crate::catalog::{Capability, NanoDollars, parse_usd};
use crate::route::{
    BalanceWeights, CallTimeouts, CandidateRequirements, OnMissingPassRate, QualityFloor, RetryPolicy,
    RetryWhen, RoutePolicy, StopOrContinue, Strategy,
};

/// What happens where both ways make sense, as it is written.
struct FailureChoices {
    midstream: Option<OnMidstream>,
    content_policy: Option<OnFailure>,
    bad_request: Option<OnFailure>,
    unknown: Option<OnFailure>,
    conversation: Option<OnConversation>,
}

impl FailureChoices {
    /// These over others: what is not said stays.
    fn apply_to(&self, policy: RoutePolicy) -> RoutePolicy {
        let on = |said: Option<OnFailure>, otherwise: StopOrContinue| match said {
            None => otherwise,
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
    /// What holds where no route says otherwise.
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

    /// A default that no route can come to feel. A route with a longer deadline makes it right.
    pub(super) fn check_default_timeouts(
        &mut self,
        defaults: &DefaultsEntry,
        policy: &RoutePolicy,
        longest: Option<Duration>,
    ) {
        let deadline = longest.unwrap_or_default().max(policy.timeouts.deadline);
        if let (Some(first), Some(place)) = (policy.timeouts.first_token, &defaults.timeouts.first_token) {
            self.check_first_token_timeout(first, deadline, place);
        }
    }

    /// The policy of one route.
    pub(super) fn resolve_policy(&mut self, entry: &RouteEntry, defaults: &RoutePolicy) -> RoutePolicy {
        let strategy = self.resolve_strategy(entry);
        let floors = self.resolve_floors(entry);
        let deadlines = self.resolve_deadlines(defaults.timeouts, entry.deadline.as_ref(), &entry.timeouts);
        if let (Some(first), Some(place)) = (deadlines.first_token, &entry.timeouts.first_token) {
            self.check_first_token_timeout(first, deadlines.deadline, place);
        }
        if let Some(connect) = &entry.timeouts.connect {
            let hint = "set it under `defaults: timeouts:`".to_owned();
            self.report("`connect` holds for all routes together", connect.span.clone(), hint);
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
            requirements: floors,
            timeouts: deadlines,
            retry,
            ..defaults.clone()
        })
    }

    fn resolve_strategy(&mut self, entry: &RouteEntry) -> Strategy {
        if let Some(weigh) = entry.weigh.as_ref().filter(|_| entry.strategy != StrategyKeyword::Balanced) {
            let hint = "add `strategy: balanced`, or leave `weigh` out";
            self.report("`weigh` says nothing in a route that is not balanced", weigh.span.clone(), hint);
        }
        if let Some(sticky) = entry.sticky_by.as_ref().filter(|_| entry.strategy != StrategyKeyword::Weighted)
        {
            let hint = "add `strategy: weighted`, or leave `sticky_by` out";
            self.report(
                "`sticky_by` says nothing in a route that is not weighted",
                sticky.span.clone(),
                hint,
            );
        }
        let weigh = entry.weigh.as_ref().map(|weigh| self.resolve_balance_weights(weigh)).unwrap_or_default();
        let sticky_by = entry.sticky_by.as_ref().and_then(|sticky| self.resolve_sticky_variable(sticky));
        match entry.strategy {
            StrategyKeyword::Priority => Strategy::Priority,
            StrategyKeyword::Cheapest => Strategy::Cheapest,
            StrategyKeyword::Fastest => Strategy::Fastest,
            StrategyKeyword::Balanced => Strategy::Balanced(weigh),
            StrategyKeyword::Weighted => Strategy::Weighted { sticky_by },
        }
    }

    fn resolve_balance_weights(&mut self, written: &Spanned<WeighEntry>) -> BalanceWeights {
        let entry = &written.value;
        let weigh = BalanceWeights {
            cost: self.resolve_weight(entry.cost.as_ref()),
            latency: self.resolve_weight(entry.latency.as_ref()),
            reliability: self.resolve_weight(entry.reliability.as_ref()),
        };
        if weigh.cost + weigh.latency + weigh.reliability <= 0.0 {
            let hint = "let one of them be above 0";
            self.report("nothing counts in this `weigh`", written.span.clone(), hint);
        }
        weigh
    }

    /// The name in `var:NAME`.
    fn resolve_sticky_variable(&mut self, written: &Spanned<String>) -> Option<String> {
        let name = written.value.strip_prefix("var:").map(str::trim);
        let name =
            name.filter(|name| !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c == '='));
        if name.is_none() {
            let hint = "write `var:NAME`, for example `var:customer` for what comes with `-p customer=…`";
            self.report(format!("`{}` names no variable", written.value), written.span.clone(), hint);
        }
        name.map(str::to_owned)
    }

    fn resolve_floors(&mut self, entry: &RouteEntry) -> CandidateRequirements {
        let known = Capability::ALL.map(Capability::name);
        let named = |word: &str| Capability::ALL.into_iter().find(|capability| capability.name() == word);
        let mut requires = self.resolve_keywords(&entry.requires, &known, "capability", named);
        let mut seen = Vec::new();
        requires.retain(|capability| {
            !seen.contains(capability) && {
                seen.push(*capability);
                true
            }
        });
        if let Some(none) = entry.max_p50_ms.as_ref().filter(|most| most.value == 0) {
            self.report("no answer takes no time", none.span.clone(), "write milliseconds, 1 or more");
        }
        CandidateRequirements {
            capabilities: requires,
            quality: entry.quality.as_ref().and_then(|quality| self.resolve_quality_floor(quality)),
            max_cost: entry.max_cost_usd.as_ref().and_then(|most| self.resolve_usd(most)),
            max_p50: entry.max_p50_ms.as_ref().map(|most| Duration::from_millis(most.value)),
        }
    }

    fn resolve_quality_floor(&mut self, entry: &QualityEntry) -> Option<QualityFloor> {
        let rate = &entry.min_pass_rate;
        if !(0.0..=1.0).contains(&rate.value) {
            self.report("a floor must be between 0 and 1", rate.span.clone(), "write 0.85 for 85 %");
        }
        let max_age = entry.max_age.as_ref().and_then(|age| match parse_age(&age.value) {
            Ok(age) if !age.is_zero() => Some(age),
            Ok(_) => {
                self.report("every score is older than that", age.span.clone(), DurationError::AGE_HINT);
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

    /// The place and the digest of a golden set that can be read.
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
                let hint = "it is looked for from the folder of this file; `slalom check SET` says all that is wrong with a set";
                let message = format!("`{}` is no golden set: {why}", written.value);
                self.report(message, written.span.clone(), hint);
                None
            }
        }
    }

    /// An amount of money above nothing.
    pub(super) fn resolve_usd(&mut self, written: &Spanned<String>) -> Option<NanoDollars> {
        let hint = "write dollars as a decimal above 0, for example 0.05, to nine places at most";
        match parse_usd(&written.value) {
            Some(nano) if nano > 0 => return Some(nano),
            Some(_) => self.report("an amount above 0 was expected here", written.span.clone(), hint),
            None => {
                let message = format!("`{}` is no amount of dollars", written.value);
                self.report(message, written.span.clone(), hint);
            }
        }
        None
    }

    fn resolve_retry(&mut self, entry: &RetryEntry, defaults: RetryPolicy) -> RetryPolicy {
        if let Some(retries) = entry.retries.as_ref().filter(|r| r.value > 10) {
            self.report(
                "more than 10 retries are no help to anybody",
                retries.span.clone(),
                "write 10 or fewer",
            );
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
            let hint = format!("set `retries` to 1 or more, or leave `{key}` out");
            self.report(format!("`{key}` says nothing where there are 0 retries"), span, hint);
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

    /// An attempt is cut by the deadline of its call before a longer timer of its own.
    fn check_first_token_timeout(&mut self, first: Duration, deadline: Duration, place: &Spanned<String>) {
        if first > deadline {
            self.report(
                format!(
                    "`first_token` is never reached: the deadline of {} s comes first",
                    deadline.as_secs_f64()
                ),
                place.span.clone(),
                "make `deadline` at least as long as `first_token`",
            );
        }
    }

    pub(super) fn resolve_duration(&mut self, written: Option<&Spanned<String>>) -> Option<Duration> {
        let written = written?;
        match parse_duration(&written.value) {
            Ok(duration) if !duration.is_zero() => return Some(duration),
            Ok(_) => self.report(
                "this duration must be longer than zero",
                written.span.clone(),
                DurationError::HINT,
            ),
            Err(error) => self.report(error.to_string(), written.span.clone(), DurationError::HINT),
        }
        None
    }
}

/// The whole path of a golden set, where it is one, and its digest; those that are known to be right are not read again.
fn load_set_digest(
    path: &Path,
    access: FileAccess,
    right: &[(PathBuf, String)],
) -> Result<(PathBuf, String), String> {
    let path = path.canonicalize().map_err(|error| format!("it cannot be read: {error}"))?;
    // Anything else might never come to an end.
    if !path.is_file() {
        return Err("it is no file".to_owned());
    }
    if let Some(known) = right.iter().find(|(known, _)| *known == path) {
        return Ok(known.clone());
    }
    let first = |error: ConfigError| error.diagnostics.into_iter().next().map(|problem| problem.message);
    let set = load_golden_set(&path, access).map_err(|error| first(error).unwrap_or_default())?;
    Ok((path, set.digest))
}
