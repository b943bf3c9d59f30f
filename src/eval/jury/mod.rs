//! Whoever finds out about an answer what an assertion cannot tell by itself: judges, vectors, programs.
//!
//! Nothing that goes wrong here is a low score: a judge that does not answer, or whose verdict cannot be read, leaves its
//! assertion unscored. What it costs is counted apart from what the answers cost.

mod contest;
mod family;
mod pair;
mod program;
mod question;
mod votes;

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::AtomicBool;

use futures_util::future::{LocalBoxFuture, join_all};

use super::assertion::{Finding, Findings, Program, Question, Task, tasks};
use super::grade::{HOPELESS, is_hopeless, unasked, why_silent};
use super::refusals::Refusals;
use super::{Bench, Case, Cases, Feature, Graded, RunOptions};
use crate::catalog::Cost;
use crate::chat::{EmbeddingRequest, Embeddings, Failure, Purpose, Request};
use crate::provider::Target;
use crate::route::{CallOptions, CallRecord, Caller, Route, Why, cost_of};
pub use contest::{Contested, Heard, Pair, contested};
pub use family::same_family;
pub use pair::{Contest, Pairwise, Preference, contest};
use program::{input, read_score};
use votes::{Ballot, counted};

/// Runs a program with this on its standard input, and says what it printed.
pub type RunProgram = Box<dyn Fn(Program, String) -> LocalBoxFuture<'static, Result<String, String>>>;

/// A call for vectors may take so long, where nothing else was said.
const VECTORS_WITHIN: std::time::Duration = std::time::Duration::from_secs(60);

/// What finding out about answers took.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Judging {
    /// How many calls were made.
    pub calls: u64,
    /// What they cost.
    pub cost: Cost,
    /// How many votes could be read where a judge was asked several times.
    pub votes: u64,
    /// How many of these said what decided.
    pub agreed: u64,
}

impl Default for Judging {
    fn default() -> Self {
        Self { calls: 0, cost: Cost::NOTHING, votes: 0, agreed: 0 }
    }
}

impl Judging {
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
pub struct Jury {
    /// The judges.
    pub judges: HashMap<String, Route>,
    /// The models that make vectors.
    pub embedders: HashMap<String, Target>,
    /// Who runs programs; nobody, where that is not allowed.
    pub programs: Option<RunProgram>,
    /// Whether it was said that a judge refuses calls.
    told: AtomicBool,
}

/// What was found out about an answer, and what it took.
pub(super) struct Judgement {
    pub(super) findings: Findings,
    pub(super) judging: Judging,
    /// The caller's own limit that was in the way.
    pub(super) limit: Option<Why>,
    /// Whether a judge failed as it will for every other answer.
    pub(super) hopeless: bool,
}

/// What one of them says.
struct Opinion {
    finding: Finding,
    judging: Judging,
    limit: Option<Why>,
    hopeless: bool,
}

impl Opinion {
    fn unknown(why: impl Into<String>) -> Self {
        Self {
            finding: Finding::Unknown(why.into()),
            judging: Judging::default(),
            limit: None,
            hopeless: false,
        }
    }
}

impl Jury {
    /// Those of these judges that are of a subject's own family.
    pub fn kin(&self, subject: &Route, judges: &BTreeSet<String>) -> Vec<String> {
        let related =
            |judge: &&String| self.judges.get(*judge).is_some_and(|judge| same_family(judge, subject));
        judges.iter().filter(related).cloned().collect()
    }

    /// Whether any of its models is the simulator's.
    pub fn is_simulated(&self) -> bool {
        let judges = self.judges.values().flat_map(|judge| &judge.candidates);
        let mut targets =
            judges.filter_map(|judge| judge.target.as_ref().ok()).chain(self.embedders.values());
        targets.any(|target| target.provider.simulated)
    }

    /// How many places they have together: so many answers may wait for them while others are asked for.
    pub(super) fn places(&self, bench: &Bench<'_>, cases: &Cases) -> usize {
        if !cases.any(Feature::Judged) {
            return 0;
        }
        let judges = self.judges.values().map(|judge| bench.lanes.of(judge).places);
        let embedders = self.embedders.values().map(|target| bench.lanes.at(target).places);
        let programs = self.programs.iter().map(|_| bench.lanes.of_programs().places);
        judges.chain(embedders).chain(programs).max().unwrap_or(0)
    }

    /// Finds out about an answer whatever its case's assertions need to know.
    pub(super) async fn judge(
        &self,
        bench: &Bench<'_>,
        options: &RunOptions,
        case: &Case,
        answer: &Graded<'_>,
    ) -> Judgement {
        let tasks = tasks(&case.assertions);
        let opinions = tasks.iter().map(|task| self.opinion(bench, options, task, case, answer));
        let opinions = join_all(opinions).await;
        Judgement {
            judging: Judging::sum(opinions.iter().map(|opinion| opinion.judging)),
            limit: opinions.iter().find_map(|opinion| opinion.limit),
            hopeless: opinions.iter().any(|opinion| opinion.hopeless),
            findings: tasks.into_iter().cloned().zip(opinions.into_iter().map(|o| o.finding)).collect(),
        }
    }

    /// Asks a judge once. The record says what it cost, whatever came of it.
    async fn ask(
        &self,
        bench: &Bench<'_>,
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
            caller: Caller { label: None, key: Some(case.to_owned()) },
        };
        let mut refusals = Refusals { told: &self.told, tell: bench.tell };
        bench.router.call(judge, request, &call, &mut refusals).await
    }

    async fn opinion(
        &self,
        bench: &Bench<'_>,
        options: &RunOptions,
        task: &Task,
        case: &Case,
        answer: &Graded<'_>,
    ) -> Opinion {
        match task {
            Task::Ask { question, judge, votes } => {
                let Some(route) = self.judges.get(judge) else {
                    return Opinion::unknown(format!("there is no judge {judge}"));
                };
                let lane = bench.lanes.of(route);
                let free = &*lane.free;
                let ballots = (1..=*votes)
                    .map(|vote| question.request(case, answer, Some(vote).filter(|_| *votes > 1)));
                let ballots = ballots.map(|request| async move {
                    let _place = free.acquire().await.ok()?;
                    Some(self.ask(bench, options, judge, route, &request, &case.head.id).await)
                });
                let records: Vec<CallRecord> = join_all(ballots).await.into_iter().flatten().collect();
                verdict(question, judge, *votes, &records)
            }
            Task::Similar { text, model } => match self.embedders.get(model) {
                Some(target) => similar(bench, options, target, text, answer.text).await,
                None => Opinion::unknown(format!("there is no embedding model {model}")),
            },
            Task::Run(program) => {
                let Some(run) = &self.programs else {
                    return Opinion::unknown("programs may not be run");
                };
                let lane = bench.lanes.of_programs();
                let Ok(_place) = lane.free.acquire().await else {
                    return Opinion::unknown("the run has ended");
                };
                let printed = run(program.clone(), input(case, answer)).await;
                match printed.and_then(|printed| read_score(&printed)) {
                    Ok((score, reason)) => {
                        let judging = Judging::default();
                        Opinion { finding: Finding::Scored(score, reason), judging, ..Opinion::unknown("") }
                    }
                    Err(why) => Opinion::unknown(why),
                }
            }
        }
    }
}

/// What the votes of a judge come to.
fn verdict(question: &Question, judge: &str, votes: u32, records: &[CallRecord]) -> Opinion {
    let mut judging = Judging {
        // A limit of the caller's own may have kept some from being made.
        calls: records.iter().filter(|record| !record.attempts.is_empty()).count() as u64,
        cost: Cost::sum(records.iter().map(CallRecord::cost)),
        ..Judging::default()
    };
    let limit = |record: &CallRecord| {
        record.outcome.as_ref().err().map(|none| none.why).filter(|why| matches!(why, Why::Over(_)))
    };
    let ballots: Vec<Ballot> = records
        .iter()
        .map(|record| match &record.outcome {
            Ok(answer) => question
                .read(&answer.response.text)
                .map_err(|why| format!("the verdict of {judge} cannot be read: {why}")),
            Err(none) => Err(format!("{judge} {}", why_silent(record, none))),
        })
        .collect();
    let result = counted(&ballots);
    if votes > 1 {
        (judging.votes, judging.agreed) = (result.read, result.agreed);
    }
    let finding = match result.decided {
        Ok((score, reason)) => Finding::Scored(score, format!("{judge}: {reason}")),
        Err(why) => Finding::Unknown(why),
    };
    Opinion {
        finding,
        judging,
        limit: records.iter().find_map(limit),
        hopeless: !records.is_empty() && records.iter().all(is_hopeless),
    }
}

/// The cosine of the vectors of two texts; nothing is less like a text than what has nothing to do with it.
async fn similar(
    bench: &Bench<'_>,
    options: &RunOptions,
    target: &Target,
    text: &str,
    answer: &str,
) -> Opinion {
    let model = &target.model_ref;
    if answer.trim().is_empty() {
        // Providers have no vector for it, and it is like no text.
        let finding = Finding::Scored(0.0, "the answer is empty".into());
        return Opinion { finding, ..Opinion::unknown("") };
    }
    let lane = bench.lanes.at(target);
    let Ok(_place) = lane.free.acquire().await else {
        return Opinion::unknown("the run has ended");
    };
    let texts = vec![answer.to_owned(), text.to_owned()];
    let request = EmbeddingRequest { texts, purpose: Purpose::Similarity, dimensions: None };
    let limit = options.timeout.unwrap_or(VECTORS_WITHIN);
    let found: Result<Embeddings, Failure> = match bench.router.embed(target, &request, limit).await {
        Ok(found) => found,
        Err(why) => {
            let limit = Some(why).filter(|why| matches!(why, Why::Over(_)));
            let words = match why {
                Why::Over(over) => format!("{model} {}", unasked(over)),
                _ => format!("no vectors from {model}: {}", why.words()),
            };
            let unknown = Opinion::unknown(words);
            return Opinion { limit, ..unknown };
        }
    };
    let mut hopeless = false;
    let (finding, cost) = match found {
        Err(failure) => {
            hopeless = HOPELESS.contains(&failure.class);
            (Finding::Unknown(format!("no vectors from {model}: {failure}")), Cost::NOTHING)
        }
        Ok(found) => {
            let finding = match found.vectors.as_slice() {
                [a, b] => cosine(a, b).map_or_else(
                    || Finding::Unknown(format!("the vectors of {model} cannot be held against each other")),
                    |cosine| {
                        Finding::Scored(cosine.clamp(0.0, 1.0), format!("the cosine of {model}'s vectors"))
                    },
                ),
                _ => Finding::Unknown(format!("{model} did not give two vectors for two texts")),
            };
            (finding, cost_of(target, &found.usage))
        }
    };
    let judging = Judging { calls: 1, cost, ..Judging::default() };
    Opinion { finding, judging, hopeless, limit: None }
}

/// The cosine of the angle between two vectors, −1 to 1; `None` where there is no angle.
fn cosine(a: &[f32], b: &[f32]) -> Option<f64> {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    let cosine = dot(a, b) / (dot(a, a).sqrt() * dot(b, b).sqrt());
    (a.len() == b.len() && cosine.is_finite()).then_some(cosine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn angles() {
        assert_eq!(cosine(&[1.0, 0.0], &[2.0, 0.0]), Some(1.0));
        assert_eq!(cosine(&[1.0, 0.0], &[0.0, 3.0]), Some(0.0));
        assert_eq!(cosine(&[1.0, 0.0], &[-1.0, 0.0]), Some(-1.0));
        assert!((cosine(&[3.0, 4.0], &[4.0, 3.0]).unwrap() - 0.96).abs() < 1e-12);
        assert_eq!(cosine(&[0.0, 0.0], &[1.0, 0.0]), None);
        assert_eq!(cosine(&[1.0], &[1.0, 0.0]), None);
        assert_eq!(cosine(&[], &[]), None);
        assert_eq!(cosine(&[f32::NAN], &[1.0]), None);
    }
}
