//! Words for what keeps a candidate from being called, or a call from being answered.

use super::format::{format_rounded_up, pluralize};
use crate::catalog::{format_usd_exact, format_usd_rounded};
use crate::dialect::UnsupportedInput;
use crate::provider::RequestAdjustment;
use crate::route::{
    BudgetExceeded, CapacityLimit, MissingPassRate, SkipReason, StopReason, Unavailable, UnmetCondition,
};

pub(crate) fn describe_skip(skip: &SkipReason) -> String {
    match skip {
        SkipReason::TargetError(error) => error.to_string(),
        SkipReason::WindowTooSmall { least, window } => {
            format!("the request has at least ~{least} tokens, but the context window is {window}")
        }
        SkipReason::UnsupportedInput(input) => format!("does not support {}", describe_input(*input)),
        SkipReason::ConditionNotMet(condition) => {
            format!("only for requests {}", describe_condition(condition))
        }
        SkipReason::Duplicate => "already listed above".to_owned(),
        SkipReason::MissingCapability { capability, is_known: true } => {
            format!("lacks {}, which the route requires", capability.name())
        }
        SkipReason::MissingCapability { capability, is_known: false } => {
            let name = capability.name();
            format!(
                "the route requires {name}, but support is unknown; if the model has it, add `supports: [{name}]` under `models:`"
            )
        }
        SkipReason::BelowQualityFloor { pass_rate, floor } => format!(
            "passed {:.1}% of the golden set, below the route's minimum of {:.1}%",
            pass_rate * 100.0,
            floor * 100.0
        ),
        SkipReason::MissingPassRate(missing) => format!(
            "no current score ({}); run `slalom eval` to measure it",
            describe_missing_pass_rate(missing)
        ),
        SkipReason::TooExpensive { expected, cap } => {
            let [expected, cap] = [*expected, *cap].map(format_usd_rounded);
            format!("estimated cost ${expected} exceeds the route's limit of ${cap}")
        }
        SkipReason::PriceUnknownForRoute => {
            "unknown price, but the route selects by cost; set `price:` under `models:`".to_owned()
        }
        SkipReason::TooSlow { typical, cap } => format!(
            "typical latency {:.1} s exceeds the route's limit of {:.1} s",
            typical.as_secs_f64(),
            cap.as_secs_f64()
        ),
        SkipReason::ConversationPinned(model) => format!("the conversation stays with {model}"),
        SkipReason::Unavailable(why, wait) => {
            let wait = format_rounded_up(*wait);
            match why {
                Unavailable::BreakerOpen => format!("circuit breaker open for another {wait}"),
                Unavailable::BreakerProbing => {
                    "circuit breaker half-open; another call is probing it".to_owned()
                }
                Unavailable::RetryAfter => {
                    format!("in cooldown for another {wait} (requested by the provider)")
                }
                Unavailable::Cooldown(class) => format!("in cooldown for another {wait} ({class})"),
                Unavailable::AtLimit(limit) => describe_limit(limit),
            }
        }
        SkipReason::BudgetExceeded(exceeded) => describe_budget_exceeded(exceeded),
        SkipReason::PriceUnknownForBudget => "unknown price, but a cost limit is set".to_owned(),
        SkipReason::SpendingUnknown => {
            "the budget or a limit cannot be checked: cannot read the ledger".to_owned()
        }
    }
}

fn describe_input(input: UnsupportedInput) -> &'static str {
    match input {
        UnsupportedInput::Tools => "tools",
        UnsupportedInput::Images => "images",
        UnsupportedInput::ImagesByUrl => "images by URL",
        UnsupportedInput::Documents => "documents",
        UnsupportedInput::DocumentsByUrl => "documents by URL",
    }
}

/// The requests that meet the condition.
fn describe_condition(condition: &UnmetCondition) -> String {
    let with = |required: bool, what: &str| format!("{} {what}", if required { "with" } else { "without" });
    match condition {
        UnmetCondition::MaxInputTokens { max, actual } => {
            format!("with at most {max} input tokens (this one has ~{actual})")
        }
        UnmetCondition::MinInputTokens { min, actual } => {
            format!("with at least {min} input tokens (this one has ~{actual})")
        }
        UnmetCondition::Label(label) => format!("labeled `{label}`"),
        UnmetCondition::Tools { required } => with(*required, "tools"),
        UnmetCondition::Attachments { required } => with(*required, "attachments"),
        UnmetCondition::Schema { required } => with(*required, "a schema"),
    }
}

pub(crate) fn describe_missing_pass_rate(missing: &MissingPassRate) -> String {
    let set = missing.set.display();
    match missing.age {
        Some(_) if missing.is_set_changed => format!("measured on an older version of {set}"),
        None => format!("never measured on {set}"),
        Some(age) => format!("last measured on {set} {} ago", format_rounded_up(age)),
    }
}

pub(super) fn describe_limit(limit: &CapacityLimit) -> String {
    let calls = |count: u64| pluralize(count, "call");
    match limit {
        CapacityLimit::Concurrency(max) => format!("at its concurrency limit ({})", calls(*max)),
        CapacityLimit::AdaptiveConcurrency(max) => {
            format!("at its concurrency limit, reduced after rate limiting ({})", calls(*max))
        }
        CapacityLimit::RecoveryConcurrency(max) => {
            format!("at its concurrency limit, reduced while the circuit breaker recovers ({})", calls(*max))
        }
        CapacityLimit::RequestsPerMinute(max) => {
            format!("at its limit of {} per minute", pluralize(*max, "request"))
        }
        CapacityLimit::TokensPerMinute(max) => {
            format!("at its limit of {} per minute", pluralize(*max, "token"))
        }
        CapacityLimit::BudgetReserved => "calls in flight have reserved the rest of the budget".to_owned(),
        CapacityLimit::QueueOccupied => "other calls are already queued for it".to_owned(),
    }
}

pub(crate) fn describe_budget_exceeded(exceeded: &BudgetExceeded) -> String {
    let budget = if exceeded.is_daily { "daily budget" } else { "cost limit" };
    let (spent, limit) = (format_usd_exact(exceeded.spent), format_usd_exact(exceeded.limit));
    let cost = match exceeded.cost {
        Some(cost) => format!("this call may cost ${}", format_usd_exact(cost)),
        None => "the cost of this call is unknown".to_owned(),
    };
    let mark = if exceeded.is_simulated { " (simulated)" } else { "" };
    format!("{budget}: ${spent} of ${limit} spent, and {cost}{mark}")
}

pub(crate) fn describe_stop(reason: StopReason) -> String {
    let text = match reason {
        StopReason::NoCandidate => "no usable candidate",
        StopReason::FatalFailure => "stopped: this failure class does not fail over",
        StopReason::AllAttemptsFailed => "all attempts failed",
        StopReason::DeadlineExceeded => "deadline exceeded",
        StopReason::CallerTimeout => "time limit exceeded",
        StopReason::AnswerInterrupted => {
            "the stream broke after output was shown; the answer above is incomplete"
        }
        StopReason::AtLimit => "all remaining candidates are at their limits",
        StopReason::BudgetExceeded(exceeded) => return describe_budget_exceeded(&exceeded),
        StopReason::Undecided => {
            "the daily budget or a limit cannot be checked, because the ledger cannot be read"
        }
    };
    text.to_owned()
}

pub(crate) fn describe_adjustment(adjustment: RequestAdjustment) -> String {
    match adjustment {
        RequestAdjustment::Dropped(parameter) => {
            format!("`{}` is not supported and will not be sent", parameter.flag_name())
        }
        RequestAdjustment::TemperatureLowered { sent } => {
            format!("temperature above {sent} is not supported; sending {sent}")
        }
        RequestAdjustment::EffortChanged { asked, sent } => {
            format!("effort `{asked}` is not supported; sending `{sent}`")
        }
        RequestAdjustment::SchemaByTool => "structured output is emulated with a tool call".to_owned(),
        RequestAdjustment::SchemaByJsonMode => {
            "structured output is emulated with JSON mode and the schema in the prompt".to_owned()
        }
        RequestAdjustment::SchemaByPrompt => {
            "structured output is emulated with the schema in the prompt".to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::chat::{NanoDollars, TokenCount};
    use std::time::Duration;

    use super::*;

    #[test]
    fn skip_reasons_in_words() {
        let describe =
            |limit| describe_skip(&SkipReason::Unavailable(Unavailable::AtLimit(limit), Duration::ZERO));
        assert_eq!(describe(CapacityLimit::Concurrency(1)), "at its concurrency limit (1 call)");
        assert_eq!(describe(CapacityLimit::RequestsPerMinute(1)), "at its limit of 1 request per minute");
        assert_eq!(describe(CapacityLimit::RequestsPerMinute(2)), "at its limit of 2 requests per minute");
        assert_eq!(
            describe(CapacityLimit::TokensPerMinute(TokenCount::new(1))),
            "at its limit of 1 token per minute"
        );
        let condition = |condition| describe_skip(&SkipReason::ConditionNotMet(condition));
        assert_eq!(
            condition(UnmetCondition::MaxInputTokens {
                max: TokenCount::new(10),
                actual: TokenCount::new(12)
            }),
            "only for requests with at most 10 input tokens (this one has ~12)"
        );
        assert_eq!(condition(UnmetCondition::Label("x".into())), "only for requests labeled `x`");
        assert_eq!(condition(UnmetCondition::Tools { required: true }), "only for requests with tools");
        assert_eq!(
            condition(UnmetCondition::Schema { required: false }),
            "only for requests without a schema"
        );
    }

    #[test]
    fn missing_pass_rates_in_words() {
        let describe = |age: Option<u64>, is_set_changed| {
            let age = age.map(Duration::from_secs);
            describe_missing_pass_rate(&MissingPassRate { set: "s.yaml".into(), age, is_set_changed })
        };
        assert_eq!(describe(None, false), "never measured on s.yaml");
        assert_eq!(describe(Some(7_201), false), "last measured on s.yaml 3 h ago");
        assert_eq!(describe(Some(7_201), true), "measured on an older version of s.yaml");
    }

    #[test]
    fn exceeded_budgets_in_words() {
        let daily = BudgetExceeded {
            spent: NanoDollars::new(200_000),
            limit: NanoDollars::new(500_000),
            cost: Some(NanoDollars::new(400_000)),
            is_simulated: false,
            is_daily: true,
        };
        assert_eq!(
            describe_stop(StopReason::BudgetExceeded(daily)),
            "daily budget: $0.0002 of $0.0005 spent, and this call may cost $0.0004"
        );
        let unknown = BudgetExceeded { cost: None, is_simulated: true, is_daily: false, ..daily };
        assert_eq!(
            describe_skip(&SkipReason::BudgetExceeded(unknown)),
            "cost limit: $0.0002 of $0.0005 spent, and the cost of this call is unknown (simulated)"
        );
    }
}
