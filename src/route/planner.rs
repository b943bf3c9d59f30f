//! Builds a plan: checks each candidate against the route's conditions and requirements, and orders the rest.

use std::sync::Arc;
use std::time::Duration;

use super::availability::{Availability, availability_at};
use super::call_options::{CallOptions, RoutingHints};
use super::candidate_estimate::{
    CandidateEstimate, estimate_cost, estimate_latencies, estimate_output_tokens, measured_latency,
    measurement_count,
};
use super::health_store::snapshot_keys;
use super::plan::{Candidate, Plan, PlanStep, Route};
use super::policy::{CandidateConditions, OnMissingPassRate, QualityFloor, RoutePolicy, StopOrContinue};
use super::router::Router;
use super::skip_reason::{MissingPassRate, SkipReason, UnmetCondition};
use super::store::{CandidateRows, HealthRow, PassRateRow, Snapshot};
use super::strategy::{Ranking, RankingContext, RankingEntry};
use crate::catalog::{estimate_input_tokens, max_input_tokens};
use crate::chat::{Request, TokenCount};
use crate::provider::{ModelRef, Target};

/// Far above the average bytes per token in any language, so a text that exceeds a context window by this
/// measure exceeds it with any tokenizer. Single tokens may be longer, for example long words or runs of
/// spaces.
const MAX_BYTES_PER_TOKEN: u64 = 16;

impl Router {
    /// Decides which candidates are tried for this request, and in which order.
    pub fn plan<'a>(&self, route: &'a Route, request: &'a Request, options: &'a CallOptions) -> Plan<'a> {
        let RoutePolicy { strategy, requirements, .. } = &route.policy;
        let estimates = strategy.order().needs_estimates()
            || strategy.order().needs_load()
            || requirements.max_cost.is_some()
            || requirements.max_p50.is_some();
        self.build_plan(route, request, options, estimates)
    }

    /// Like [`Self::plan`], with an estimate for every candidate.
    pub fn plan_with_estimates<'a>(
        &self,
        route: &'a Route,
        request: &'a Request,
        options: &'a CallOptions,
    ) -> Plan<'a> {
        self.build_plan(route, request, options, true)
    }

    /// The availability of each candidate that the plan would try, and the limit or budget that would keep it
    /// from starting now.
    pub fn plan_availability(&self, plan: &Plan<'_>) -> Vec<(Availability, Option<SkipReason>)> {
        let now = self.health().now();
        let run_budget = plan.options.run_budget.as_ref();
        let (snapshot, request) = (&plan.snapshot, plan.request);
        let steps = plan.steps.iter().filter_map(|step| match step {
            PlanStep::Try { candidate, target, .. } => Some((&snapshot.candidates[*candidate], *target)),
            PlanStep::Skip { .. } => None,
        });
        let availability = |(rows, target): (&CandidateRows, &Target)| {
            let stats = &snapshot.route_stats;
            let denial = self.limiter.denial_reason(target, request, stats, rows, run_budget);
            (availability_at(rows, now), denial)
        };
        steps.map(availability).collect()
    }

    fn build_plan<'a>(
        &self,
        route: &'a Route,
        request: &'a Request,
        options: &'a CallOptions,
        estimates: bool,
    ) -> Plan<'a> {
        let hints = &options.hints;
        let now = self.health().now();
        let keys = snapshot_keys(route);
        let snapshot = self.health().snapshot(&keys);
        let mut estimates = estimates.then(|| estimate_candidates(route, request, &snapshot, now));
        if route.policy.strategy.order().needs_load() {
            let candidates = route.candidates.iter().zip(&snapshot.candidates);
            for ((candidate, rows), estimate) in candidates.zip(estimates.iter_mut().flatten()) {
                let target = candidate.target.as_ref().ok();
                estimate.load = target.map(|target| self.limiter.provider_load(target, rows));
            }
        }
        let mut plan = Plan {
            route,
            request,
            options,
            keys,
            snapshot: Arc::clone(&snapshot),
            steps: Vec::new(),
            missing_pass_rates: Vec::new(),
            foreign_model: None,
            is_exploration: false,
            new_leader: None,
        };
        let mut weights = Vec::new();
        for (n, candidate) in route.candidates.iter().enumerate() {
            let estimate = estimates.as_ref().map(|estimates| estimates[n]);
            let checked = check_requirements(candidate, &route.policy, &snapshot, n, estimate, now);
            let is_duplicate = plan.targets().any(|target| target.model_ref == candidate.model_ref);
            let target = check_callable(candidate, request, hints);
            let tried = target.and_then(|target| match checked {
                _ if is_duplicate => Err(SkipReason::Duplicate),
                Ok(unscored) => Ok((target, unscored)),
                Err(why) => Err(why),
            });
            plan.steps.push(match tried {
                Err(skip) => PlanStep::Skip { model_ref: &candidate.model_ref, skip },
                Ok((target, unscored)) => {
                    plan.missing_pass_rates
                        .extend(unscored.map(|missing| (candidate.model_ref.clone(), missing)));
                    weights.push(candidate.weight * weight_share(&snapshot, candidate));
                    let adjustments = target.adjustments(request);
                    PlanStep::Try { candidate: n, target, adjustments, estimate }
                }
            });
        }
        self.order_steps(&mut plan, &weights, &snapshot.route_stats.leader);
        apply_on_conversation(&mut plan);
        plan
    }

    /// Sorts the steps to try by the strategy, given their weights. Skipped candidates come last.
    fn order_steps(&self, plan: &mut Plan<'_>, weights: &[f64], leader: &str) {
        let (route, hints) = (plan.route, &plan.options.hints);
        let order = route.policy.strategy.order();
        if order.keeps_file_order() {
            return;
        }
        let (tried, skipped): (Vec<PlanStep<'_>>, Vec<PlanStep<'_>>) =
            plan.steps.drain(..).partition(|step| matches!(step, PlanStep::Try { .. }));
        let names: Vec<String> = tried.iter().map(|step| step.model_ref().to_string()).collect();
        let entries: Vec<RankingEntry<'_>> = tried
            .iter()
            .zip(&names)
            .zip(weights)
            .map(|((step, model), weight)| {
                let estimate = match step {
                    PlanStep::Try { estimate, .. } => estimate.unwrap_or_default(),
                    PlanStep::Skip { .. } => CandidateEstimate::default(),
                };
                RankingEntry { model, weight: *weight, estimate }
            })
            .collect();
        let (random, random_key) = self.draw_random();
        let sticky_key = hints.sticky_key.as_deref().unwrap_or(&random_key);
        let context = RankingContext {
            route_name: route.name.as_deref().unwrap_or_default(),
            sticky_key,
            leader,
            random,
        };
        let Ranking { indices, is_exploration } = order.rank(&entries, &context);
        let first = indices.get(usize::from(is_exploration)).map(|index| names[*index].clone());
        plan.new_leader = first.filter(|first| order.keeps_leader() && first != leader);
        plan.is_exploration = is_exploration;
        let mut tried: Vec<Option<PlanStep<'_>>> = tried.into_iter().map(Some).collect();
        plan.steps.extend(indices.into_iter().filter_map(|index| tried[index].take()));
        plan.steps.extend(skipped);
    }
}

impl<'a> PlanStep<'a> {
    pub fn model_ref(&self) -> &'a ModelRef {
        match self {
            Self::Try { target, .. } => &target.model_ref,
            Self::Skip { model_ref, .. } => model_ref,
        }
    }
}

/// Share of the candidate's configured weight.
fn weight_share(snapshot: &Snapshot, candidate: &Candidate) -> f64 {
    let model = candidate.model_ref.to_string();
    snapshot.weights.iter().find(|row| row.model == model).map_or(1.0, |row| row.share)
}

fn estimate_candidates(
    route: &Route,
    request: &Request,
    snapshot: &Snapshot,
    now: i64,
) -> Vec<CandidateEstimate> {
    let input_tokens = estimate_input_tokens(request);
    let (output_tokens, is_output_assumed) =
        estimate_output_tokens(&snapshot.route_stats, request.max_output_tokens);
    let health: Vec<&HealthRow> = snapshot.candidates.iter().map(|rows| &rows.health).collect();
    let times = estimate_latencies(&health, output_tokens, now);
    let inputs = route.candidates.iter().zip(health).zip(times);
    inputs
        .map(|((candidate, row), times)| {
            let facts = candidate.target.as_ref().ok().and_then(|target| target.facts.as_ref());
            let price = facts.map(|facts| &facts.pricing);
            CandidateEstimate {
                input_tokens,
                output_tokens,
                is_output_assumed,
                cost: estimate_cost(price, input_tokens, output_tokens, snapshot.route_stats.cached_share),
                first_token: times.map(|(first, _)| duration_from_millis(first)),
                latency: times.map(|(_, last)| duration_from_millis(last)),
                measurements: measurement_count(row, now),
                error_rate: super::breaker::error_rate(row, now),
                load: None,
            }
        })
        .collect()
}

/// Clamps out-of-range estimates, which would panic in `Duration`.
fn duration_from_millis(milliseconds: f64) -> Duration {
    Duration::try_from_secs_f64((milliseconds / 1000.0).clamp(0.0, 1e9)).unwrap_or_default()
}

/// The candidate's target, if it can handle this request and the candidate's conditions match it.
fn check_callable<'a>(
    candidate: &'a Candidate,
    request: &Request,
    hints: &RoutingHints,
) -> Result<&'a Target, SkipReason> {
    let target = candidate.target.as_ref().map_err(|error| SkipReason::TargetError(error.clone()))?;
    if let Some(condition) = unmet_condition(&candidate.when, request, hints) {
        return Err(SkipReason::ConditionNotMet(condition));
    }
    let window = target.facts.as_ref().and_then(|facts| facts.context_tokens);
    // Most prompts fit even at one token per byte. Between the two bounds only the provider can tell, and a
    // context overflow costs nothing and fails over.
    if let Some(window) = window.filter(|window| max_input_tokens(request) > *window) {
        let least = TokenCount::new(request.prompt_text_len() as u64 / MAX_BYTES_PER_TOKEN);
        if least > window {
            return Err(SkipReason::WindowTooSmall { least, window });
        }
    }
    match target.unsupported_input(request) {
        Some(input) => Err(SkipReason::UnsupportedInput(input)),
        None => Ok(target),
    }
}

/// The first condition that the request does not meet.
fn unmet_condition(
    when: &CandidateConditions,
    request: &Request,
    hints: &RoutingHints,
) -> Option<UnmetCondition> {
    let actual = estimate_input_tokens(request);
    let has_attachment =
        request.messages.iter().flat_map(|message| &message.parts).any(|part| part.is_attachment());
    if let Some(max) = when.max_input_tokens.filter(|max| actual > *max) {
        return Some(UnmetCondition::MaxInputTokens { max, actual });
    }
    if let Some(min) = when.min_input_tokens.filter(|min| actual < *min) {
        return Some(UnmetCondition::MinInputTokens { min, actual });
    }
    if let Some(label) = when.label.as_ref().filter(|label| hints.label.as_ref() != Some(label)) {
        return Some(UnmetCondition::Label(label.clone()));
    }
    let unmet = |condition: Option<bool>, actual: bool| condition.filter(|required| *required != actual);
    if let Some(required) = unmet(when.tools, !request.tools.is_empty()) {
        return Some(UnmetCondition::Tools { required });
    }
    if let Some(required) = unmet(when.attachments, has_attachment) {
        return Some(UnmetCondition::Attachments { required });
    }
    unmet(when.schema, request.response_format.is_some()).map(|required| UnmetCondition::Schema { required })
}

/// Checks a candidate against the route's requirements. `Ok(Some(_))` means that a score is missing, which
/// the route allows.
fn check_requirements(
    candidate: &Candidate,
    policy: &RoutePolicy,
    snapshot: &Snapshot,
    n: usize,
    estimate: Option<CandidateEstimate>,
    now: i64,
) -> Result<Option<MissingPassRate>, SkipReason> {
    let requirements = &policy.requirements;
    let facts = candidate.target.as_ref().ok().and_then(|target| target.facts.as_ref());
    for capability in &requirements.capabilities {
        let has = facts.and_then(|facts| facts.supports(*capability));
        if has != Some(true) {
            return Err(SkipReason::MissingCapability { capability: *capability, is_known: has.is_some() });
        }
    }
    if let Some(estimate) = estimate {
        let expected = estimate.cost;
        if expected.is_none() && (requirements.max_cost.is_some() || policy.strategy.order().is_cost_based())
        {
            return Err(SkipReason::PriceUnknownForRoute);
        }
        if let Some((expected, cap)) =
            expected.zip(requirements.max_cost).filter(|(expected, cap)| expected > cap)
        {
            return Err(SkipReason::TooExpensive { expected, cap });
        }
        let typical = measured_latency(&snapshot.candidates[n].health, estimate.output_tokens, now);
        let typical = typical.map(duration_from_millis);
        if let Some((typical, cap)) = typical.zip(requirements.max_p50).filter(|(typical, cap)| typical > cap)
        {
            return Err(SkipReason::TooSlow { typical, cap });
        }
    }
    match &requirements.quality {
        Some(quality) => check_quality_floor(quality, snapshot.candidates[n].pass_rate.clone(), now),
        None => Ok(None),
    }
}

fn check_quality_floor(
    floor: &QualityFloor,
    score: Option<PassRateRow>,
    now: i64,
) -> Result<Option<MissingPassRate>, SkipReason> {
    let score = score.filter(|score| score.scored > 0);
    let age = score
        .as_ref()
        .map(|score| Duration::from_millis(u64::try_from(now - score.measured_at).unwrap_or(0)));
    let changed = score.as_ref().is_some_and(|score| score.set_digest != floor.digest);
    let fresh = !changed && age.is_some_and(|age| floor.max_age.is_none_or(|max_age| age <= max_age));
    let missing = MissingPassRate { set: floor.set.clone(), age, is_set_changed: changed };
    match (score, floor.on_missing) {
        (Some(score), _) if fresh => {
            let pass_rate = f64::from(score.passed) / f64::from(score.scored);
            if pass_rate < floor.min_pass_rate {
                return Err(SkipReason::BelowQualityFloor { pass_rate, floor: floor.min_pass_rate });
            }
            Ok(None)
        }
        (_, OnMissingPassRate::Warn) => Ok(Some(missing)),
        (_, OnMissingPassRate::Skip) => Err(SkipReason::MissingPassRate(missing)),
    }
}

/// Keeps a conversation on the model that answered last: as the only candidate, or as the first one if the
/// route allows others.
fn apply_on_conversation(plan: &mut Plan<'_>) {
    let route = plan.route;
    let Some(last_model) =
        plan.request.messages.iter().rev().find_map(|message| message.model_ref.as_deref())
    else {
        return;
    };
    let Some(at) = plan.steps.iter().position(|step| step.model_ref().to_string() == last_model) else {
        // A model named directly takes over the conversation on purpose.
        plan.foreign_model = route.name.as_ref().map(|_| last_model.to_owned());
        return;
    };
    if route.policy.on_conversation == StopOrContinue::Continue {
        let step = plan.steps.remove(at);
        plan.steps.insert(0, step);
        plan.is_exploration = false;
        return;
    }
    for (n, step) in plan.steps.iter_mut().enumerate() {
        if n != at && matches!(step, PlanStep::Try { .. }) {
            let model_ref = step.model_ref();
            *step = PlanStep::Skip { model_ref, skip: SkipReason::ConversationPinned(last_model.to_owned()) };
        }
    }
}
