//! Graders that need a call or a process: LLM judges, embedding similarity, and external programs. They
//! depend on `provider`, `route`, and the assertions and slots of their parent module.
//!
//! A failed grader never counts as a low score: if a judge does not answer, or its verdict cannot be parsed,
//! the assertion is unscored. Grader cost is counted separately from the cost of answers.

mod judge_prompt;
mod model_family;
mod pairwise_results;
mod pairwise_verdict;
mod program_protocol;
mod vote_tally;

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::AtomicBool;

use futures_util::future::{BoxFuture, join_all};

use super::assertion::collect_grader_tasks;
use super::case_result::{FATAL_CLASSES, is_fatal};
use super::failures::{GraderFailure, JudgeFailure};
use super::grader_task::{GraderOutcome, GraderOutcomes, GraderProgram, GraderTask, JudgeQuestion};
use super::run_observer::RunCallObserver;
use super::{Case, CaseFeature, Cases, GradableAnswer, GraderUsage, RunContext};
use crate::catalog::Cost;
use crate::chat::{EmbeddingPurpose, EmbeddingRequest, EmbeddingResponse, Failure, Request};
use crate::provider::Target;
use crate::route::{CallRecord, Route, StopReason, usage_cost};
pub(crate) use model_family::has_common_family;
pub(crate) use pairwise_results::{JudgedPair, OrderedPreference, PairwiseResults, judge_all_pairs};
pub(crate) use pairwise_verdict::{PairwiseQuestion, PairwiseVerdict, Preference, build_pairwise_request};
use program_protocol::{encode_program_input, parse_program_output};
use vote_tally::{VoteResult, tally_votes};

/// Runs a program with the given standard input. Returns its standard output, or why it failed.
pub(crate) type ProgramRunner =
    Box<dyn Fn(GraderProgram, String) -> BoxFuture<'static, Result<String, String>> + Send + Sync>;

/// Available graders, by their name in the set.
#[derive(Default)]
pub(crate) struct Graders {
    pub judges: HashMap<String, Route>,
    pub embedders: HashMap<String, Target>,
    /// `None` when programs are not allowed.
    pub program_runner: Option<ProgramRunner>,
    /// Whether a rate limit of a judge was reported.
    has_reported_rate_limit: AtomicBool,
}

pub(super) struct GraderReport {
    pub(super) outcomes: GraderOutcomes,
    pub(super) usage: GraderUsage,
    /// The caller's own limit that stopped a grader.
    pub(super) limit: Option<StopReason>,
    /// Whether a grader failed in a way that will repeat on every answer.
    pub(super) is_fatal: bool,
}

struct GraderReply {
    /// Score from 0 to 1, and the reason.
    outcome: Result<(f64, String), GraderFailure>,
    usage: GraderUsage,
    limit: Option<StopReason>,
    is_fatal: bool,
}

impl GraderReply {
    /// The reply of a grader that made no call.
    fn without_call(outcome: Result<(f64, String), GraderFailure>) -> Self {
        Self { outcome, usage: GraderUsage::default(), limit: None, is_fatal: false }
    }
}

impl Graders {
    /// The judges of the subject's model family.
    pub(crate) fn same_family_judges(&self, subject: &Route, judges: &BTreeSet<String>) -> Vec<String> {
        let related =
            |judge: &&String| self.judges.get(*judge).is_some_and(|judge| has_common_family(judge, subject));
        judges.iter().filter(related).cloned().collect()
    }

    pub(crate) fn has_simulated_model(&self) -> bool {
        let judges = self.judges.values().flat_map(|judge| &judge.candidates);
        let mut targets =
            judges.filter_map(|judge| judge.target.as_ref().ok()).chain(self.embedders.values());
        targets.any(|target| target.provider.simulated)
    }

    /// How many answers may wait for graders while others are requested.
    pub(super) fn max_slots(&self, context: &RunContext<'_>, cases: &Cases) -> usize {
        if !cases.has_feature(CaseFeature::NeedsGrader) {
            return 0;
        }
        let judges = self.judges.values().map(|judge| context.slots.for_route(judge).capacity);
        let embedders = self.embedders.values().map(|target| context.slots.for_target(target).capacity);
        let programs = self.program_runner.iter().map(|_| context.slots.for_programs().capacity);
        judges.chain(embedders).chain(programs).max().unwrap_or(0)
    }

    /// Runs the grader tasks of the case's assertions.
    pub(super) async fn run_tasks(
        &self,
        context: &RunContext<'_>,
        case: &Case,
        answer: &GradableAnswer<'_>,
    ) -> GraderReport {
        let tasks = collect_grader_tasks(&case.assertions);
        let replies = tasks.iter().map(|task| self.run_task(context, task, case, answer));
        let replies = join_all(replies).await;
        let to_outcome = |reply: GraderReply| match reply.outcome {
            Ok((score, reason)) => GraderOutcome::Scored(score, reason),
            Err(failure) => GraderOutcome::Unscored(context.wording.describe_grader_failure(&failure)),
        };
        GraderReport {
            usage: GraderUsage::sum(replies.iter().map(|reply| reply.usage)),
            limit: replies.iter().find_map(|reply| reply.limit),
            is_fatal: replies.iter().any(|reply| reply.is_fatal),
            outcomes: tasks.into_iter().cloned().zip(replies.into_iter().map(to_outcome)).collect(),
        }
    }

    async fn call_judge(
        &self,
        context: &RunContext<'_>,
        name: &str,
        judge: &Route,
        request: &Request,
        case: &str,
    ) -> CallRecord {
        let call = context.call_options(name, case);
        let plan = context.router.plan(judge, request, &call);
        context.router.run(plan, &mut self.call_observer(context)).await
    }

    fn call_observer<'a>(&'a self, context: &RunContext<'a>) -> RunCallObserver<'a> {
        let has_reported_rate_limit = &self.has_reported_rate_limit;
        RunCallObserver { observer: context.observer, has_reported_rate_limit }
    }

    async fn run_task(
        &self,
        context: &RunContext<'_>,
        task: &GraderTask,
        case: &Case,
        answer: &GradableAnswer<'_>,
    ) -> GraderReply {
        match task {
            GraderTask::Judge { question, judge, votes } => {
                let Some(route) = self.judges.get(judge) else {
                    return GraderReply::without_call(Err(GraderFailure::UnknownJudge(judge.clone())));
                };
                let slots = context.slots.for_route(route);
                let semaphore = &*slots.semaphore;
                let ballots = (1..=*votes)
                    .map(|vote| question.build_request(case, answer, Some(vote).filter(|_| *votes > 1)));
                let ballots = ballots.map(|request| async move {
                    let _permit = semaphore.acquire().await.ok()?;
                    Some(self.call_judge(context, judge, route, &request, &case.metadata.id).await)
                });
                let records: Vec<CallRecord> = join_all(ballots).await.into_iter().flatten().collect();
                combine_votes(question, judge, *votes, &records)
            }
            GraderTask::Similarity { text, model } => match self.embedders.get(model) {
                Some(target) => self.score_similarity(context, target, text, answer.text).await,
                None => GraderReply::without_call(Err(GraderFailure::UnknownEmbeddingModel(model.clone()))),
            },
            GraderTask::Program(program) => {
                let Some(run) = &self.program_runner else {
                    return GraderReply::without_call(Err(GraderFailure::ProgramsNotAllowed));
                };
                let slots = context.slots.for_programs();
                let Ok(_permit) = slots.semaphore.acquire().await else {
                    return GraderReply::without_call(Err(GraderFailure::RunStopped));
                };
                let output = run(program.clone(), encode_program_input(case, answer)).await;
                let outcome = output.and_then(|output| parse_program_output(&output));
                GraderReply::without_call(outcome.map_err(GraderFailure::Program))
            }
        }
    }

    /// Cosine similarity of the embeddings of two texts; negative values count as 0.
    async fn score_similarity(
        &self,
        context: &RunContext<'_>,
        target: &Target,
        text: &str,
        answer: &str,
    ) -> GraderReply {
        let model = &target.model_ref;
        if answer.trim().is_empty() {
            // Providers reject empty text, and an empty answer resembles nothing.
            return GraderReply::without_call(Ok((0.0, "the answer is empty".into())));
        }
        let slots = context.slots.for_target(target);
        let Ok(_permit) = slots.semaphore.acquire().await else {
            return GraderReply::without_call(Err(GraderFailure::RunStopped));
        };
        let texts = vec![answer.to_owned(), text.to_owned()];
        let request = EmbeddingRequest { texts, purpose: EmbeddingPurpose::Similarity, dimensions: None };
        let call = context.call_options(&model.to_string(), "");
        let embed = context.router.embed(target, &request, &call, &mut self.call_observer(context)).await;
        let found: Result<EmbeddingResponse, Failure> = match embed {
            Ok(found) => found,
            Err(why) => {
                let limit = Some(why).filter(|why| matches!(why, StopReason::BudgetExceeded(_)));
                let failure = GraderFailure::EmbeddingsNotStarted { model: model.clone(), reason: why };
                return GraderReply { limit, ..GraderReply::without_call(Err(failure)) };
            }
        };
        let mut is_fatal = false;
        let (outcome, cost) = match found {
            Err(failure) => {
                is_fatal = FATAL_CLASSES.contains(&failure.class);
                (Err(GraderFailure::EmbeddingsFailed { model: model.clone(), failure }), Cost::ZERO)
            }
            Ok(found) => {
                let outcome = match found.embeddings.as_slice() {
                    [a, b] => cosine_similarity(a, b)
                        .map(|cosine| {
                            (cosine.clamp(0.0, 1.0), format!("cosine similarity of {model} embeddings"))
                        })
                        .ok_or_else(|| GraderFailure::EmbeddingsNotComparable(model.clone())),
                    _ => Err(GraderFailure::WrongEmbeddingCount(model.clone())),
                };
                (outcome, usage_cost(target, &found.usage))
            }
        };
        let usage = GraderUsage { calls: 1, cost, ..GraderUsage::default() };
        GraderReply { outcome, usage, is_fatal, limit: None }
    }
}

fn combine_votes(question: &JudgeQuestion, judge: &str, votes: u32, records: &[CallRecord]) -> GraderReply {
    let mut usage = GraderUsage {
        // The caller's own limit may have prevented some calls.
        calls: records.iter().filter(|record| !record.attempts.is_empty()).count() as u64,
        cost: Cost::sum(records.iter().map(CallRecord::total_cost)),
        ..GraderUsage::default()
    };
    let limit = |record: &CallRecord| {
        record
            .outcome
            .as_ref()
            .err()
            .map(|error| error.reason)
            .filter(|why| matches!(why, StopReason::BudgetExceeded(_)))
    };
    let ballots: Vec<VoteResult> = records
        .iter()
        .map(|record| match &record.outcome {
            Ok(answer) => question.parse_vote(&answer.response.text).map_err(JudgeFailure::InvalidVerdict),
            Err(error) => Err(JudgeFailure::new(record, error)),
        })
        .collect();
    let result = tally_votes(&ballots);
    if votes > 1 {
        (usage.votes, usage.agreed) = (result.readable, result.agreed);
    }
    let outcome = match result.decided {
        Some((score, reason)) => Ok((score, format!("{judge}: {reason}"))),
        None => Err(GraderFailure::VotesMissing {
            judge: judge.to_owned(),
            missing: ballots.iter().filter(|ballot| ballot.is_err()).count(),
            votes: ballots.len(),
            first: ballots.into_iter().find_map(Result::err),
        }),
    };
    GraderReply {
        outcome,
        usage,
        limit: records.iter().find_map(limit),
        is_fatal: !records.is_empty() && records.iter().all(is_fatal),
    }
}

/// −1 to 1; `None` when the angle is undefined.
fn cosine_similarity(a: &[f32], b: &[f32]) -> Option<f64> {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    let cosine = dot(a, b) / (dot(a, a).sqrt() * dot(b, b).sqrt());
    (a.len() == b.len() && cosine.is_finite()).then_some(cosine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cosine_similarity_cases() {
        assert_eq!(cosine_similarity(&[1.0, 0.0], &[2.0, 0.0]), Some(1.0));
        assert_eq!(cosine_similarity(&[1.0, 0.0], &[0.0, 3.0]), Some(0.0));
        assert_eq!(cosine_similarity(&[1.0, 0.0], &[-1.0, 0.0]), Some(-1.0));
        assert!((cosine_similarity(&[3.0, 4.0], &[4.0, 3.0]).unwrap() - 0.96).abs() < 1e-12);
        assert_eq!(cosine_similarity(&[0.0, 0.0], &[1.0, 0.0]), None);
        assert_eq!(cosine_similarity(&[1.0], &[1.0, 0.0]), None);
        assert_eq!(cosine_similarity(&[], &[]), None);
        assert_eq!(cosine_similarity(&[f32::NAN], &[1.0]), None);
    }
}
