//! The policy of a route, and of all routes: how candidates are ordered, what they must offer, how failures are met.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::diagnostic::ConfigError;
use super::duration::parse_age;
use super::golden::load_set;
use super::route_entry::{
    Defaults, MissingWord, OnConversation, OnFailure, OnMidstream, QualityEntry, RetryEntry, RetryWord,
    RouteEntry, StrategyWord, Timeouts, WeighEntry,
};
use super::routes::Reader;
use super::set_folder::FileAccess;
use super::yaml::Located;
use super::{DurationError, parse_duration};
use crate::catalog::{Capability, NanoDollars, usd_to_nano};
use crate::route::{
    Choice, Deadlines, Floors, Missing, Policy, QualityFloor, Retry, RetryWhen, Strategy, Weigh,
};

/// What happens where both ways make sense, as it is written.
struct Choices {
    midstream: Option<OnMidstream>,
    content_policy: Option<OnFailure>,
    bad_request: Option<OnFailure>,
    unknown: Option<OnFailure>,
    conversation: Option<OnConversation>,
}

impl Choices {
    /// These over others: what is not said stays.
    fn over(&self, policy: Policy) -> Policy {
        let on = |said: Option<OnFailure>, otherwise: Choice| match said {
            None => otherwise,
            Some(OnFailure::Stop) => Choice::Stop,
            Some(OnFailure::Failover) => Choice::GoOn,
        };
        Policy {
            on_midstream: match self.midstream {
                None => policy.on_midstream,
                Some(OnMidstream::Stop) => Choice::Stop,
                Some(OnMidstream::Restart) => Choice::GoOn,
            },
            on_content_policy: on(self.content_policy, policy.on_content_policy),
            on_bad_request: on(self.bad_request, policy.on_bad_request),
            on_unknown: on(self.unknown, policy.on_unknown),
            on_conversation: match self.conversation {
                None => policy.on_conversation,
                Some(OnConversation::Stay) => Choice::Stop,
                Some(OnConversation::Failover) => Choice::GoOn,
            },
            ..policy
        }
    }
}

impl Reader {
    /// What holds where no route says otherwise.
    pub(super) fn default_policy(&mut self, defaults: &Defaults) -> Policy {
        let choices = Choices {
            midstream: defaults.on_midstream,
            content_policy: defaults.on_content_policy,
            bad_request: defaults.on_bad_request,
            unknown: defaults.on_unknown,
            conversation: defaults.on_conversation,
        };
        choices.over(Policy {
            deadlines: self.deadlines(Deadlines::default(), defaults.deadline.as_ref(), &defaults.timeouts),
            retry: self.retry(&defaults.retry, Retry::default()),
            ..Policy::default()
        })
    }

    /// A default that no route can come to feel. A route with a longer deadline makes it right.
    pub(super) fn defaults_are_felt(
        &mut self,
        defaults: &Defaults,
        policy: &Policy,
        longest: Option<Duration>,
    ) {
        let deadline = longest.unwrap_or_default().max(policy.deadlines.call);
        if let (Some(first), Some(place)) = (policy.deadlines.first_token, &defaults.timeouts.first_token) {
            self.first_token_is_reached(first, deadline, place);
        }
    }

    /// The policy of one route.
    pub(super) fn policy(&mut self, entry: &RouteEntry, defaults: &Policy) -> Policy {
        let strategy = self.strategy(entry);
        let floors = self.floors(entry);
        let deadlines = self.deadlines(defaults.deadlines, entry.deadline.as_ref(), &entry.timeouts);
        if let (Some(first), Some(place)) = (deadlines.first_token, &entry.timeouts.first_token) {
            self.first_token_is_reached(first, deadlines.call, place);
        }
        if let Some(connect) = &entry.timeouts.connect {
            let hint = "set it under `defaults: timeouts:`".to_owned();
            self.wrong("`connect` holds for all routes together", connect.span.clone(), hint);
        }
        let choices = Choices {
            midstream: entry.on_midstream,
            content_policy: entry.on_content_policy,
            bad_request: entry.on_bad_request,
            unknown: entry.on_unknown,
            conversation: entry.on_conversation,
        };
        let retry = self.retry(&entry.retry, defaults.retry);
        choices.over(Policy { strategy, floors, deadlines, retry, ..defaults.clone() })
    }

    fn strategy(&mut self, entry: &RouteEntry) -> Strategy {
        if let Some(weigh) = entry.weigh.as_ref().filter(|_| entry.strategy != StrategyWord::Balanced) {
            let hint = "add `strategy: balanced`, or leave `weigh` out";
            self.wrong("`weigh` says nothing in a route that is not balanced", weigh.span.clone(), hint);
        }
        if let Some(sticky) = entry.sticky_by.as_ref().filter(|_| entry.strategy != StrategyWord::Weighted) {
            let hint = "add `strategy: weighted`, or leave `sticky_by` out";
            self.wrong("`sticky_by` says nothing in a route that is not weighted", sticky.span.clone(), hint);
        }
        let weigh = entry.weigh.as_ref().map(|weigh| self.weigh(weigh)).unwrap_or_default();
        let sticky_by = entry.sticky_by.as_ref().and_then(|sticky| self.variable(sticky));
        match entry.strategy {
            StrategyWord::Priority => Strategy::Priority,
            StrategyWord::Cheapest => Strategy::Cheapest,
            StrategyWord::Fastest => Strategy::Fastest,
            StrategyWord::Balanced => Strategy::Balanced(weigh),
            StrategyWord::Weighted => Strategy::Weighted { sticky_by },
        }
    }

    fn weigh(&mut self, written: &Located<WeighEntry>) -> Weigh {
        let entry = &written.value;
        let weigh = Weigh {
            cost: self.weight(entry.cost.as_ref()),
            latency: self.weight(entry.latency.as_ref()),
            reliability: self.weight(entry.reliability.as_ref()),
        };
        if weigh.cost + weigh.latency + weigh.reliability <= 0.0 {
            let hint = "let one of them be above 0";
            self.wrong("nothing counts in this `weigh`", written.span.clone(), hint);
        }
        weigh
    }

    /// The name in `var:NAME`.
    fn variable(&mut self, written: &Located<String>) -> Option<String> {
        let name = written.value.strip_prefix("var:").map(str::trim);
        let name =
            name.filter(|name| !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c == '='));
        if name.is_none() {
            let hint = "write `var:NAME`, for example `var:customer` for what comes with `-p customer=…`";
            self.wrong(format!("`{}` names no variable", written.value), written.span.clone(), hint);
        }
        name.map(str::to_owned)
    }

    fn floors(&mut self, entry: &RouteEntry) -> Floors {
        let known = Capability::ALL.map(Capability::name);
        let named = |word: &str| Capability::ALL.into_iter().find(|capability| capability.name() == word);
        let mut requires = self.words(&entry.requires, &known, "capability", named);
        let mut seen = Vec::new();
        requires.retain(|capability| {
            !seen.contains(capability) && {
                seen.push(*capability);
                true
            }
        });
        if let Some(none) = entry.max_p50_ms.as_ref().filter(|most| most.value == 0) {
            self.wrong("no answer takes no time", none.span.clone(), "write milliseconds, 1 or more");
        }
        Floors {
            requires,
            quality: entry.quality.as_ref().and_then(|quality| self.quality(quality)),
            max_cost: entry.max_cost_usd.as_ref().and_then(|most| self.usd(most)),
            max_p50: entry.max_p50_ms.as_ref().map(|most| Duration::from_millis(most.value)),
        }
    }

    fn quality(&mut self, entry: &QualityEntry) -> Option<QualityFloor> {
        let rate = &entry.min_pass_rate;
        if !(0.0..=1.0).contains(&rate.value) {
            self.wrong("a floor must be between 0 and 1", rate.span.clone(), "write 0.85 for 85 %");
        }
        let max_age = entry.max_age.as_ref().and_then(|age| match parse_age(&age.value) {
            Ok(age) if !age.is_zero() => Some(age),
            Ok(_) => {
                self.wrong("every score is older than that", age.span.clone(), DurationError::AGE_HINT);
                None
            }
            Err(error) => {
                self.wrong(error.to_string(), age.span.clone(), DurationError::AGE_HINT);
                None
            }
        });
        let (set, digest) = self.set(&entry.set)?;
        Some(QualityFloor {
            set,
            digest,
            min_pass_rate: rate.value,
            max_age,
            missing: match entry.missing {
                MissingWord::Warn => Missing::Warn,
                MissingWord::Skip => Missing::Skip,
            },
        })
    }

    /// The place and the digest of a golden set that can be read.
    fn set(&mut self, written: &Located<String>) -> Option<(PathBuf, String)> {
        match readable_set(
            &self.folder.clone().unwrap_or_default().join(&written.value),
            self.file_access,
            &self.sets,
        ) {
            Ok(set) => {
                self.sets.push(set.clone());
                Some(set)
            }
            Err(why) => {
                let hint = "it is looked for from the folder of this file; `slalom check SET` says all that is wrong with a set";
                let message = format!("`{}` is no golden set: {why}", written.value);
                self.wrong(message, written.span.clone(), hint);
                None
            }
        }
    }

    /// An amount of money above nothing.
    pub(super) fn usd(&mut self, written: &Located<String>) -> Option<NanoDollars> {
        let hint = "write dollars as a decimal above 0, for example 0.05, to nine places at most";
        match usd_to_nano(&written.value) {
            Some(nano) if nano > 0 => return Some(nano),
            Some(_) => self.wrong("an amount above 0 was expected here", written.span.clone(), hint),
            None => {
                let message = format!("`{}` is no amount of dollars", written.value);
                self.wrong(message, written.span.clone(), hint);
            }
        }
        None
    }

    fn retry(&mut self, entry: &RetryEntry, defaults: Retry) -> Retry {
        if let Some(retries) = entry.retries.as_ref().filter(|r| r.value > 10) {
            self.wrong(
                "more than 10 retries are no help to anybody",
                retries.span.clone(),
                "write 10 or fewer",
            );
        }
        let retry = Retry {
            retries: entry.retries.as_ref().map_or(defaults.retries, |r| r.value),
            when: match entry.when.as_ref().map(|when| when.value) {
                None => defaults.when,
                Some(RetryWord::Alone) => RetryWhen::Alone,
                Some(RetryWord::First) => RetryWhen::First,
            },
            base: self.duration(entry.base.as_ref()).unwrap_or(defaults.base),
            cap: self.duration(entry.cap.as_ref()).unwrap_or(defaults.cap),
        };
        let when = entry.when.as_ref().map(|when| ("when", when.span.clone()));
        let base = entry.base.as_ref().map(|base| ("base", base.span.clone()));
        let cap = entry.cap.as_ref().map(|cap| ("cap", cap.span.clone()));
        if retry.retries == 0
            && let Some((key, span)) = when.or(base.clone()).or(cap.clone())
        {
            let hint = format!("set `retries` to 1 or more, or leave `{key}` out");
            self.wrong(format!("`{key}` says nothing where there are 0 retries"), span, hint);
        }
        if retry.base > retry.cap
            && let Some((_, span)) = base.or(cap)
        {
            self.wrong("`base` is longer than `cap`", span, "make `cap` at least as long as `base`");
        }
        retry
    }

    fn deadlines(
        &mut self,
        defaults: Deadlines,
        deadline: Option<&Located<String>>,
        timeouts: &Timeouts,
    ) -> Deadlines {
        Deadlines {
            call: self.duration(deadline).unwrap_or(defaults.call),
            first_token: self.duration(timeouts.first_token.as_ref()).or(defaults.first_token),
            idle: self.duration(timeouts.idle.as_ref()).unwrap_or(defaults.idle),
        }
    }

    /// An attempt is cut by the deadline of its call before a longer timer of its own.
    fn first_token_is_reached(&mut self, first: Duration, deadline: Duration, place: &Located<String>) {
        if first > deadline {
            self.wrong(
                format!(
                    "`first_token` is never reached: the deadline of {} s comes first",
                    deadline.as_secs_f64()
                ),
                place.span.clone(),
                "make `deadline` at least as long as `first_token`",
            );
        }
    }

    pub(super) fn duration(&mut self, written: Option<&Located<String>>) -> Option<Duration> {
        let written = written?;
        match parse_duration(&written.value) {
            Ok(duration) if !duration.is_zero() => return Some(duration),
            Ok(_) => self.wrong(
                "this duration must be longer than zero",
                written.span.clone(),
                DurationError::HINT,
            ),
            Err(error) => self.wrong(error.to_string(), written.span.clone(), DurationError::HINT),
        }
        None
    }
}

/// The whole path of a golden set, where it is one, and its digest; those that are known to be right are not read again.
fn readable_set(
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
    let first = |error: ConfigError| error.problems.into_iter().next().map(|problem| problem.message);
    let set = load_set(&path, access).map_err(|error| first(error).unwrap_or_default())?;
    Ok((path, set.digest))
}
