//! Evaluation: runs golden sets against subjects, grades the answers, reports every figure with its
//! uncertainty, and applies the gate. It depends on `catalog`, `chat`, `dialect`, `provider`, and `route`;
//! runs are stored in a [`store::RunStore`]. It parses no files (`config` does) and prints nothing (`view` does).
//!
//! An error never counts as a low score: an answer that cannot be graded is *unscored* and counted
//! separately. The entry points are [`GoldenSet`], [`run_subject`], and [`evaluate_gate`].

mod answer;
mod answer_cache;
mod assertion;
mod audit;
mod baseline;
mod case;
mod case_result;
mod case_stats;
mod cases;
mod digest;
mod failures;
mod gate;
mod golden_set;
mod grader_task;
mod grader_usage;
mod graders;
mod length_unit;
mod number_parser;
mod output_schema;
mod provider_slots;
mod repair;
mod repeat;
mod result_row;
mod resume;
mod run;
mod run_context;
mod run_observer;
mod sample;
pub(crate) mod statistics;
mod stop_signal;
pub(crate) mod store;
mod summary;
mod verdict;

pub(crate) use answer::GradableAnswer;
pub(crate) use answer_cache::{CachePolicy, remove_expired_answers};
pub(crate) use assertion::{
    Assertion, AssertionContext, AssertionError, AssertionPart, AssertionResources, BuiltAssertion,
    CallMetric, CompileCache, OptionError, REGEX_HINT, collect_grader_tasks, explain_regex_error,
    parse_assertion,
};
pub(crate) use audit::{AuditReport, CaseAudit, MutantOmission, Mutation, ReferenceVerdict, audit_set};
pub(crate) use baseline::{
    Baseline, BaselineComparison, BaselineOrigin, CaseOutcomes, CasePairing, ComparisonContext,
};
pub(crate) use case::{Case, CaseMetadata, CasePrompt, SourceLocation};
pub(crate) use case_result::CaseResult;
pub(crate) use case_stats::{CaseStats, LimitHit, ResultRetention, SubjectResults};
pub(crate) use cases::{CaseFeature, CaseRenderer, Cases, CasesWriter, NewCase};
pub(crate) use digest::{Digest, DigestBuilder, DigestBytes};
pub(crate) use failures::{
    CallFailure, CaseFailure, FailureWording, FatalParty, GraderFailure, JudgeFailure,
};
pub(crate) use gate::{
    ComparedFigures, CountOrShare, Gate, GateReport, GateViolation, InconclusiveReason, LimitedFigure,
    MIN_ANSWERS_FOR_P95, evaluate_gate,
};
pub(crate) use golden_set::{GoldenSet, split_subject_name};
pub(crate) use grader_task::{GraderProgram, GraderTask};
pub(crate) use grader_usage::GraderUsage;
pub(crate) use graders::{
    Graders, JudgedPair, OrderedPreference, PairwiseQuestion, PairwiseResults, PairwiseVerdict, Preference,
    ProgramRunner, build_pairwise_request, has_common_family, judge_all_pairs,
};
pub(crate) use output_schema::{OutputSchema, StructuredOutput};
pub(crate) use provider_slots::ProviderSlots;
#[cfg(test)]
pub(crate) use repair::Repair;
pub(crate) use repair::RepairSet;
pub(crate) use repeat::{AggregateOutcome, aggregate_full_results, aggregate_repeats};
pub(crate) use resume::{ResumedRun, load_resumed_run};
pub(crate) use run::run_subject;
pub(crate) use run_context::{EvalSubject, RunContext, RunOptions};
pub(crate) use run_observer::{RunEvent, RunObserver};
pub(crate) use sample::sample_cases;
pub(crate) use stop_signal::{RunStopReason, StopSignal};
pub(crate) use summary::SubjectSummary;
pub(crate) use verdict::{AssertionKind, AssertionResult, Verdict};
