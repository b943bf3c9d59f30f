//! Routes with the state of each candidate, as JSON.

use serde_json::{Value, json};

use super::candidate_state::{describe_state_reason, is_simulated, state_code};
use super::format::round_milliseconds;
use super::routes::{RouteView, RoutesView, display_set_path};
use crate::chat::NanoDollars;
use crate::route::{
    Candidate, CandidateConditions, HealthReport, OnExceeded, OnMissingPassRate, strategy_options,
};

/// The object `slalom.routes/1`.
pub fn routes_json(view: &RoutesView<'_>) -> Value {
    let budget = view.budget.map(|budget| {
        let on_exceeded = match budget.on_exceeded {
            OnExceeded::Stop => "stop",
            OnExceeded::Warn => "warn",
        };
        let spent = view.spent.map(|spent| spent.map(NanoDollars::to_usd));
        json!({
            "daily_usd": budget.limit.to_usd(), "on_exceeded": on_exceeded,
            "spent_usd": spent.map(|[real, _]| real),
            "spent_simulated_usd": spent.map(|[_, simulated]| simulated),
        })
    });
    let routes: Vec<Value> = view.routes.iter().map(|route| route_json(route, view)).collect();
    json!({"schema": "slalom.routes/1", "now_ms": view.now, "budget": budget, "routes": routes})
}

fn route_json(view: &RouteView, all: &RoutesView<'_>) -> Value {
    let (policy, requirements) = (&view.route.policy, &view.route.policy.requirements);
    let quality = requirements.quality.as_ref().map(|floor| {
        let missing = match floor.on_missing {
            OnMissingPassRate::Warn => "warn",
            OnMissingPassRate::Skip => "skip",
        };
        json!({
            "set": display_set_path(floor, all.folder), "min_pass_rate": floor.min_pass_rate,
            "max_age_ms": floor.max_age.map(round_milliseconds), "missing": missing,
        })
    });
    let identity = [
        ("route", json!(view.route.name)),
        ("description", json!(view.description)),
        ("strategy", json!(policy.strategy.name())),
    ];
    // Every route has the options of all strategies, `null` where it does not use one.
    let mut options = policy.strategy.options_json();
    let options =
        strategy_options().map(|option| (option.name, options.remove(option.name).unwrap_or(Value::Null)));
    let candidates: Vec<Value> =
        view.rows().map(|(candidate, report)| candidate_json(view, candidate, report, all.now)).collect();
    let state = [
        ("requires", requirements.capabilities.iter().map(|need| need.name()).collect()),
        ("quality", json!(quality)),
        ("max_cost_usd", json!(requirements.max_cost.map(NanoDollars::to_usd))),
        ("max_p50_ms", json!(requirements.max_p50.map(round_milliseconds))),
        ("deadline_ms", json!(round_milliseconds(policy.timeouts.deadline))),
        ("overridden_by", json!(view.overridden_by)),
        ("candidates", json!(candidates)),
    ];
    let fields = identity.into_iter().chain(options).chain(state);
    fields.map(|(name, value)| (name.to_owned(), value)).collect()
}

fn candidate_json(view: &RouteView, candidate: &Candidate, report: Option<&HealthReport>, now: i64) -> Value {
    let until = report.and_then(|report| report.availability.unavailable_until());
    let why = describe_state_reason(candidate, report, now);
    let rounded = |value: f64| (value * 1000.0).round() / 1000.0;
    let failure = report.and_then(|report| report.last_failure.as_ref()).map(
        |(at, class)| json!({"class": class, "at_ms": at, "ago_s": rounded((now - at).max(0) as f64 / 1000.0)}),
    );
    json!({
        "provider": candidate.model_ref.provider, "model": candidate.model_ref.model,
        "simulated": is_simulated(candidate),
        "ready": candidate.target.is_ok() && report.is_none_or(|report| report.availability.is_available()),
        "problem": candidate.target.as_ref().err().map(ToString::to_string),
        "state": state_code(candidate, report),
        "until_ms": until, "for_s": until.map(|until| rounded((until - now).max(0) as f64 / 1000.0)),
        "why": (!why.is_empty()).then_some(why),
        "last_failure": failure,
        "recent_calls": report.map(|report| rounded(report.recent_calls)),
        "recent_trouble": report.map(|report| rounded(report.recent_errors)),
        "trips": report.map(|report| report.trips),
        "first_token_ms": report.and_then(|report| report.first_token_ms).map(rounded),
        "token_ms": report.and_then(|report| report.token_ms).map(rounded),
        "weight": view.route.is_weighted().then_some(candidate.weight),
        "weight_now": view.route.is_weighted().then(|| view.weight_now(candidate).unwrap_or(candidate.weight)),
        "when": when_json(&candidate.when),
    })
}

/// The conditions that are set, as in `routes.yaml`.
fn when_json(when: &CandidateConditions) -> Option<Value> {
    let conditions = [
        ("max_input_tokens", when.max_input_tokens.map(Value::from)),
        ("min_input_tokens", when.min_input_tokens.map(Value::from)),
        ("label", when.label.clone().map(Value::from)),
        ("tools", when.tools.map(Value::from)),
        ("attachments", when.attachments.map(Value::from)),
        ("schema", when.schema.map(Value::from)),
    ];
    let conditions: serde_json::Map<String, Value> =
        conditions.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
    (!conditions.is_empty()).then_some(Value::Object(conditions))
}
