//! Whoever finds out about an answer what an assertion cannot tell by itself: judges, vectors, programs.
//!
//! Nothing that goes wrong here is a low score: a judge that does not answer, or whose verdict cannot be read, leaves its
//! assertion unscored. What it costs is counted apart from what the answers cost.

mod judge_prompt;
mod model_family;
mod pairwise_results;
mod pairwise_verdict;
mod program_protocol;
mod vote_tally;

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::AtomicBool;

use futures_util::future::{LocalBoxFuture, join_all};

use super::assertion::{
    GraderOutcome, GraderOutcomes, GraderProgram, GraderTask, JudgeQuestion, collect_grader_tasks,
};
use super::case_result::{FATAL_CLASSES, describe_grader_error, describe_grader_over_cost, is_fatal};
use super::rate_limit_observer::RateLimitObserver;
use super::{Case, CaseFeature, Cases, GradableAnswer, RunContext, RunOptions};
use crate::catalog::Cost;
use crate::chat::{EmbeddingPurpose, EmbeddingRequest, EmbeddingResponse, Failure, Request};
use crate::provider::Target;
use crate::route::{CallOptions, CallRecord, Route, RoutingHints, StopReason, usage_cost};
pub use model_family::has_common_family;
pub use pairwise_results::{JudgedPair, OrderedPreference, PairwiseResults, judge_all_pairs};
pub use pairwise_verdict::{PairwiseQuestion, PairwiseVerdict, Preference, build_pairwise_request};
use program_protocol::{encode_program_input, parse_program_output};
use vote_tally::{VoteResult, tally_votes};

/// Runs a program with this on its standard input, and says what it printed.
pub type ProgramRunner =
    Box<dyn Fn(GraderProgram, String) -> LocalBoxFuture<'static, Result<String, String>>>;

/// A call for vectors may take so long, where nothing else was said.
const DEFAULT_EMBEDDING_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(60);

/// What finding out about answers took.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct GraderUsage {
    /// How many calls were made.
    pub calls: u64,
    /// What they cost.
    pub cost: Cost,
    /// How many votes could be read where a judge was asked several times.
    pub votes: u64,
    /// How many of these said what decided.
    pub agreed: u64,
}

impl Default for GraderUsage {
    fn default() -> Self {
        Self { calls: 0, cost: Cost::ZERO, votes: 0, agreed: 0 }
    }
}

impl GraderUsage {
    /// All of it together.
    pub fn sum(all: impl IntoIterator<Item = Self>) -> Self {
        all.into_iter().fold(Self::default(), |sum, one| Self {
            calls: sum.calls + one.calls,
            cost: Cost::sum([sum.cost, one.cost]),
            votes: sum.votes + one.votes,
            agreed: sum.agreed + one.agreed,
        })
    }

    /// The share of votes that said what decided, where judges were asked several times.
    pub fn agreement(&self) -> Option<f64> {
        (self.votes > 0).then(|| self.agreed as f64 / self.votes as f64)
    }
}

/// Everybody who may be asked, by the name under which a set knows them.
#[derive(Default)]
pub struct Graders {
    /// The judges.
    pub judges: HashMap<String, Route>,
    /// The models that make vectors.
    pub embedders: HashMap<String, Target>,
    /// Who runs programs; nobody, where that is not allowed.
    pub program_runner: Option<ProgramRunner>,
    /// Whether it was said that a judge refuses calls.
    has_warned: AtomicBool,
}

/// What was found out about an answer, and what it took.
pub(super) struct GraderReport {
    pub(super) outcomes: GraderOutcomes,
    pub(super) usage: GraderUsage,
    /// The caller's own limit that was in the way.
    pub(super) limit: Option<StopReason>,
    /// Whether a judge failed as it will for every other answer.
    pub(super) is_fatal: bool,
}

/// What one of them says.
struct GraderReply {
    outcome: GraderOutcome,
    usage: GraderUsage,
    limit: Option<StopReason>,
    is_fatal: bool,
}

impl GraderReply {
    fn unscored(why: impl Into<String>) -> Self {
        Self {
            outcome: GraderOutcome::Unscored(why.into()),
            usage: GraderUsage::default(),
            limit: None,
            is_fatal: false,
        }
    }
}

impl Graders {
    /// Those of these judges that are of a subject's own family.
    pub fn same_family_judges(&self, subject: &Route, judges: &BTreeSet<String>) -> Vec<String> {
        let related =
            |judge: &&String| self.judges.get(*judge).is_some_and(|judge| has_common_family(judge, subject));
        judges.iter().filter(related).cloned().collect()
    }

    /// Whether any of its models is the simulator's.
    pub fn has_simulated_model(&self) -> bool {
        let judges = self.judges.values().flat_map(|judge| &judge.candidates);
        let mut targets =
            judges.filter_map(|judge| judge.target.as_ref().ok()).chain(self.embedders.values());
        targets.any(|target| target.provider.simulated)
    }

    /// How many places they have together: so many answers may wait for them while others are asked for.
    pub(super) fn max_slots(&self, bench: &RunContext<'_>, cases: &Cases) -> usize {
        if !cases.has_feature(CaseFeature::NeedsGrader) {
            return 0;
        }
        let judges = self.judges.values().map(|judge| bench.slots.for_route(judge).capacity);
        let embedders = self.embedders.values().map(|target| bench.slots.for_target(target).capacity);
        let programs = self.program_runner.iter().map(|_| bench.slots.for_programs().capacity);
        judges.chain(embedders).chain(programs).max().unwrap_or(0)
    }

    /// Finds out about an answer whatever its case's assertions need to know.
    pub(super) async fn run_tasks(
        &self,
        bench: &RunContext<'_>,
        options: &RunOptions,
        case: &Case,
        answer: &GradableAnswer<'_>,
    ) -> GraderReport {
        let tasks = collect_grader_tasks(&case.assertions);
        let opinions = tasks.iter().map(|task| self.run_task(bench, options, task, case, answer));
        let opinions = join_all(opinions).await;
        GraderReport {
            usage: GraderUsage::sum(opinions.iter().map(|opinion| opinion.usage)),
            limit: opinions.iter().find_map(|opinion| opinion.limit),
            is_fatal: opinions.iter().any(|opinion| opinion.is_fatal),
            outcomes: tasks.into_iter().cloned().zip(opinions.into_iter().map(|o| o.outcome)).collect(),
        }
    }

    /// Asks a judge once. The record says what it cost, whatever came of it.
    async fn call_judge(
        &self,
        bench: &RunContext<'_>,
        options: &RunOptions,
        name: &str,
        judge: &Route,
        request: &Request,
        case: &str,
    ) -> CallRecord {
        let call = CallOptions {
            id: String::new(),
            requested_model: name.to_owned(),
            stream: options.stream,
            timeout: options.timeout,
            hints: RoutingHints { label: None, sticky_key: Some(case.to_owned()) },
        };
        let mut refusals = RateLimitObserver { has_warned: &self.has_warned, tell: bench.warn };
        bench.router.call(judge, request, &call, &mut refusals).await
    }

    async fn run_task(
        &self,
        bench: &RunContext<'_>,
        options: &RunOptions,
        task: &GraderTask,
        case: &Case,
        answer: &GradableAnswer<'_>,
    ) -> GraderReply {
        match task {
            GraderTask::Judge { question, judge, votes } => {
                let Some(route) = self.judges.get(judge) else {
                    return GraderReply::unscored(format!("there is no judge {judge}"));
                };
                let lane = bench.slots.for_route(route);
                let free = &*lane.semaphore;
                let ballots = (1..=*votes)
                    .map(|vote| question.build_request(case, answer, Some(vote).filter(|_| *votes > 1)));
                let ballots = ballots.map(|request| async move {
                    let _place = free.acquire().await.ok()?;
                    Some(self.call_judge(bench, options, judge, route, &request, &case.metadata.id).await)
                });
                let records: Vec<CallRecord> = join_all(ballots).await.into_iter().flatten().collect();
                combine_votes(question, judge, *votes, &records)
            }
            GraderTask::Similarity { text, model } => match self.embedders.get(model) {
                Some(target) => score_similarity(bench, options, target, text, answer.text).await,
                None => GraderReply::unscored(format!("there is no embedding model {model}")),
            },
            GraderTask::Program(program) => {
                let Some(run) = &self.program_runner else {
                    return GraderReply::unscored("programs may not be run");
                };
                let lane = bench.slots.for_programs();
                let Ok(_place) = lane.semaphore.acquire().await else {
                    return GraderReply::unscored("the run has ended");
                };
                let printed = run(program.clone(), encode_program_input(case, answer)).await;
                match printed.and_then(|printed| parse_program_output(&printed)) {
                    Ok((score, reason)) => {
                        let judging = GraderUsage::default();
                        GraderReply {
                            outcome: GraderOutcome::Scored(score, reason),
                            usage: judging,
                            ..GraderReply::unscored("")
                        }
                    }
                    Err(why) => GraderReply::unscored(why),
                }
            }
        }
    }
}

/// What the votes of a judge come to.
fn combine_votes(question: &JudgeQuestion, judge: &str, votes: u32, records: &[CallRecord]) -> GraderReply {
    let mut judging = GraderUsage {
        // A limit of the caller's own may have kept some from being made.
        calls: records.iter().filter(|record| !record.attempts.is_empty()).count() as u64,
        cost: Cost::sum(records.iter().map(CallRecord::total_cost)),
        ..GraderUsage::default()
    };
    let limit = |record: &CallRecord| {
        record
            .outcome
            .as_ref()
            .err()
            .map(|none| none.reason)
            .filter(|why| matches!(why, StopReason::BudgetExceeded(_)))
    };
    let ballots: Vec<VoteResult> = records
        .iter()
        .map(|record| match &record.outcome {
            Ok(answer) => question
                .parse_vote(&answer.response.text)
                .map_err(|why| format!("the verdict of {judge} cannot be read: {why}")),
            Err(none) => Err(format!("{judge} {}", describe_grader_error(record, none))),
        })
        .collect();
    let result = tally_votes(&ballots);
    if votes > 1 {
        (judging.votes, judging.agreed) = (result.readable, result.agreed);
    }
    let finding = match result.decided {
        Ok((score, reason)) => GraderOutcome::Scored(score, format!("{judge}: {reason}")),
        Err(why) => GraderOutcome::Unscored(why),
    };
    GraderReply {
        outcome: finding,
        usage: judging,
        limit: records.iter().find_map(limit),
        is_fatal: !records.is_empty() && records.iter().all(is_fatal),
    }
}

/// The cosine of the vectors of two texts; nothing is less like a text than what has nothing to do with it.
async fn score_similarity(
    bench: &RunContext<'_>,
    options: &RunOptions,
    target: &Target,
    text: &str,
    answer: &str,
) -> GraderReply {
    let model = &target.model_ref;
    if answer.trim().is_empty() {
        // Providers have no vector for it, and it is like no text.
        let finding = GraderOutcome::Scored(0.0, "the answer is empty".into());
        return GraderReply { outcome: finding, ..GraderReply::unscored("") };
    }
    let lane = bench.slots.for_target(target);
    let Ok(_place) = lane.semaphore.acquire().await else {
        return GraderReply::unscored("the run has ended");
    };
    let texts = vec![answer.to_owned(), text.to_owned()];
    let request = EmbeddingRequest { texts, purpose: EmbeddingPurpose::Similarity, dimensions: None };
    let limit = options.timeout.unwrap_or(DEFAULT_EMBEDDING_TIMEOUT);
    let found: Result<EmbeddingResponse, Failure> = match bench.router.embed(target, &request, limit).await {
        Ok(found) => found,
        Err(why) => {
            let limit = Some(why).filter(|why| matches!(why, StopReason::BudgetExceeded(_)));
            let words = match why {
                StopReason::BudgetExceeded(over) => format!("{model} {}", describe_grader_over_cost(over)),
                _ => format!("no vectors from {model}: {}", why.message()),
            };
            let unknown = GraderReply::unscored(words);
            return GraderReply { limit, ..unknown };
        }
    };
    let mut hopeless = false;
    let (finding, cost) = match found {
        Err(failure) => {
            hopeless = FATAL_CLASSES.contains(&failure.class);
            (GraderOutcome::Unscored(format!("no vectors from {model}: {failure}")), Cost::ZERO)
        }
        Ok(found) => {
            let finding = match found.embeddings.as_slice() {
                [a, b] => cosine_similarity(a, b).map_or_else(
                    || {
                        GraderOutcome::Unscored(format!(
                            "the vectors of {model} cannot be held against each other"
                        ))
                    },
                    |cosine| {
                        GraderOutcome::Scored(
                            cosine.clamp(0.0, 1.0),
                            format!("the cosine of {model}'s vectors"),
                        )
                    },
                ),
                _ => GraderOutcome::Unscored(format!("{model} did not give two vectors for two texts")),
            };
            (finding, usage_cost(target, &found.usage))
        }
    };
    let judging = GraderUsage { calls: 1, cost, ..GraderUsage::default() };
    GraderReply { outcome: finding, usage: judging, is_fatal: hopeless, limit: None }
}

/// The cosine of the angle between two vectors, −1 to 1; `None` where there is no angle.
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
