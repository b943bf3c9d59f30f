//! Is it good enough? Golden sets run against models, scored, with the uncertainty beside every figure, and a gate.
//!
//! An error is never a low score: what could not be graded is *unscored*, counted and shown apart. This room knows no
//! file format and prints nothing; `config` makes its sets and `view` shows its results. Start with [`Set`], then
//! [`run()`] and [`judge`].

mod answer_cache;
mod assertion;
mod audit;
mod baseline;
mod case;
mod case_result;
mod case_stats;
mod cases;
mod digest;
mod gate;
mod golden_set;
mod graders;
mod numbers;
mod output_schema;
mod provider_slots;
mod rate_limit_observer;
mod repair;
mod repeat;
mod result_row;
mod resume;
mod run;
mod sample;
pub mod statistics;
mod stop_signal;
mod summary;

pub use answer_cache::{CachePolicy, remove_expired_answers};
pub use assertion::{
    Assertion, AssertionKind, CallMetric, Check, Combination, GradeScale, GraderOutcome, GraderOutcomes,
    GraderProgram, GraderTask, JsonPathTest, JudgeQuestion, LengthUnit, MatchPosition, NumericTolerance,
    SimilarityMeasure, TextMatch, collect_grader_tasks,
};
pub use audit::{
    AssertionAudit, AuditReport, CaseAudit, DuplicateGroup, MutantResult, Mutation, ReferenceVerdict,
    audit_set,
};
pub use baseline::{
    Baseline, BaselineComparison, BaselineOrigin, CaseOutcomes, CasePairing, ComparisonContext,
};
pub use case::{Case, CaseMetadata, SourceLocation};
pub use case_result::{AssertionResult, CaseResult, GradableAnswer, Verdict};
pub use case_stats::{CaseStats, LimitHit, ResultRetention, SubjectResults};
pub use cases::{CaseFeature, CaseRenderer, Cases, CasesWriter, GraderModels, NewCase};
pub use digest::{Digest, DigestBuilder};
pub use gate::{CountOrShare, Gate, GateReport, MIN_ANSWERS_FOR_P95, evaluate_gate};
pub use golden_set::{GoldenSet, split_subject_name};
pub use graders::{
    GraderUsage, Graders, JudgedPair, OrderedPreference, PairwiseQuestion, PairwiseResults, PairwiseVerdict,
    Preference, ProgramRunner, build_pairwise_request, has_common_family, judge_all_pairs,
};
pub use numbers::parse_numbers;
pub use output_schema::{OutputSchema, StructuredOutput};
pub use provider_slots::ProviderSlots;
pub use repair::{Repair, RepairSet};
pub use repeat::{AggregateOutcome, aggregate_full_results, aggregate_repeats};
pub use resume::{ResumedRun, load_resumed_run};
pub use run::{EvalSubject, RunContext, RunOptions, RunProgress, run_subject};
pub use sample::sample_cases;
pub use statistics::{percentile, wilson_interval};
pub use stop_signal::{RunStopReason, StopSignal};
pub use summary::SubjectSummary;
