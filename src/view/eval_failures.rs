//! Words for cases and graders without a score.

use super::reasons::{describe_budget_exceeded, describe_skip, describe_stop};
use crate::eval::{CallFailure, CaseFailure, FailureWording, FatalParty, GraderFailure, JudgeFailure};
use crate::route::{BudgetExceeded, StopReason};

/// The words that an eval stores with its results.
pub(crate) struct ResultWording;

impl FailureWording for ResultWording {
    fn describe_case_failure(&self, failure: &CaseFailure) -> String {
        describe_case_failure(failure)
    }

    fn describe_grader_failure(&self, failure: &GraderFailure) -> String {
        describe_grader_failure(failure)
    }
}

pub(super) fn describe_case_failure(failure: &CaseFailure) -> String {
    match failure {
        CaseFailure::Call(failure) => describe_call_failure(failure),
        CaseFailure::SubjectStopped(party) => {
            let party = match party {
                FatalParty::Subject => "the subject",
                FatalParty::Judge => "its judge",
            };
            format!("{party} failed on the first cases")
        }
        CaseFailure::AssertionUnscored { assertion, reason, .. } => format!("{assertion}: {reason}"),
        CaseFailure::Stored { message, .. } => message.clone(),
    }
}

fn describe_call_failure(failure: &CallFailure) -> String {
    match failure {
        CallFailure::Failed { message, .. } => message.clone(),
        CallFailure::TimedOut { before, .. } => {
            let before = before.as_ref().map(|message| format!("; before that: {message}"));
            format!("--timeout expired before the answer was complete{}", before.unwrap_or_default())
        }
        CallFailure::NotStarted(reason) => describe_stop(*reason),
        CallFailure::Skipped(model, skip) => format!("{model}: {}", describe_skip(skip)),
        CallFailure::NoCandidate => "no candidate left".to_owned(),
    }
}

/// `judge` names the judge; without it, the sentence speaks of "the judge".
pub(super) fn describe_judge_failure(failure: &JudgeFailure, judge: Option<&str>) -> String {
    let name = judge.unwrap_or("the judge");
    match (failure, judge) {
        (JudgeFailure::InvalidVerdict(why), Some(judge)) => {
            format!("cannot parse the verdict of {judge}: {why}")
        }
        (JudgeFailure::InvalidVerdict(why), None) => format!("cannot parse the verdict: {why}"),
        (JudgeFailure::NotCalled(exceeded), _) => describe_not_called(name, exceeded),
        (JudgeFailure::CallFailed(failure), _) => {
            format!("{name} failed: {}", describe_call_failure(failure))
        }
    }
}

fn describe_not_called(model: &str, exceeded: &BudgetExceeded) -> String {
    format!("{model} was not called: {}", describe_budget_exceeded(exceeded))
}

fn describe_grader_failure(failure: &GraderFailure) -> String {
    match failure {
        GraderFailure::UnknownJudge(judge) => format!("unknown judge {judge}"),
        GraderFailure::UnknownEmbeddingModel(model) => format!("unknown embedding model {model}"),
        GraderFailure::ProgramsNotAllowed => "running programs is not allowed".to_owned(),
        GraderFailure::RunStopped => "the run was stopped".to_owned(),
        GraderFailure::Program(why) => why.clone(),
        GraderFailure::EmbeddingsNotStarted { model, reason: StopReason::BudgetExceeded(exceeded) } => {
            describe_not_called(&model.to_string(), exceeded)
        }
        GraderFailure::EmbeddingsNotStarted { model, reason } => {
            format!("no embeddings from {model}: {}", describe_stop(*reason))
        }
        GraderFailure::EmbeddingsFailed { model, failure } => {
            format!("no embeddings from {model}: {failure}")
        }
        GraderFailure::EmbeddingsNotComparable(model) => {
            format!("cannot compare the embeddings from {model}")
        }
        GraderFailure::WrongEmbeddingCount(model) => {
            format!("{model} did not return two embeddings for two texts")
        }
        GraderFailure::VotesMissing { judge, missing, votes, first } => {
            let why = first.as_ref().map_or_else(
                || "no judge was called".to_owned(),
                |failure| describe_judge_failure(failure, Some(judge)),
            );
            let verb = if *missing == 1 { "is" } else { "are" };
            match votes {
                0 | 1 => why,
                votes => format!("{missing} of {votes} votes {verb} missing: {why}"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::FailureClass;

    #[test]
    fn missing_votes_name_the_first_failure() {
        let describe = |missing, votes, first| {
            describe_grader_failure(&GraderFailure::VotesMissing {
                judge: "m/j".into(),
                missing,
                votes,
                first,
            })
        };
        let invalid = || Some(JudgeFailure::InvalidVerdict("no JSON".into()));
        assert_eq!(describe(0, 0, None), "no judge was called");
        assert_eq!(describe(1, 1, invalid()), "cannot parse the verdict of m/j: no JSON");
        assert_eq!(
            describe(1, 3, invalid()),
            "1 of 3 votes is missing: cannot parse the verdict of m/j: no JSON"
        );
        assert_eq!(
            describe(2, 3, invalid()),
            "2 of 3 votes are missing: cannot parse the verdict of m/j: no JSON"
        );
    }

    #[test]
    fn judge_failures_name_the_judge_if_known() {
        let failed = JudgeFailure::CallFailed(Box::new(CallFailure::NoCandidate));
        assert_eq!(describe_judge_failure(&failed, None), "the judge failed: no candidate left");
        assert_eq!(describe_judge_failure(&failed, Some("m/j")), "m/j failed: no candidate left");
        let invalid = JudgeFailure::InvalidVerdict("no JSON".into());
        assert_eq!(describe_judge_failure(&invalid, None), "cannot parse the verdict: no JSON");
    }

    #[test]
    fn time_limits_name_an_earlier_failure() {
        let describe = |before: Option<&str>| {
            let before = before.map(str::to_owned);
            describe_call_failure(&CallFailure::TimedOut { class: FailureClass::RateLimited, before })
        };
        assert_eq!(describe(None), "--timeout expired before the answer was complete");
        assert_eq!(
            describe(Some("slow down")),
            "--timeout expired before the answer was complete; before that: slow down"
        );
    }
}
