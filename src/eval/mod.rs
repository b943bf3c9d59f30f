//! Is it good enough? Golden sets run against models, scored, with the uncertainty beside every figure, and a gate.
//!
//! An error is never a low score: what could not be graded is *unscored*, counted and shown apart. This room knows no
//! file format and prints nothing; `config` makes its sets and `view` shows its results. Start with [`Set`], then
//! [`run()`] and [`judge`].

mod assertion;
mod audit;
mod baseline;
mod cache;
mod case;
mod cases;
mod digest;
mod figure;
mod gate;
mod grade;
mod halt;
mod jury;
mod kept;
mod lanes;
mod numbers;
mod refusals;
mod repair;
mod repeat;
mod resume;
mod run;
mod sample;
mod set;
mod shape;
pub mod statistics;
mod summary;

pub use assertion::{
    Assertion, Check, Combination, Finding, Findings, Kind, Measure, PathTest, Place, Program, Quantity,
    Question, Scale, Task, TextTest, Tolerance, Unit, tasks,
};
pub use audit::{Audit, CaseAudit, Duplicates, Judged, Mutation, Right, Weighed, audit};
pub use baseline::{Answered, Baseline, Comparison, Match, Origin, Pairing};
pub use cache::{Cache, forget_old_answers};
pub use case::{Case, CaseHead, Written};
pub use cases::{AskedModels, Cases, CasesWriter, Feature, NewCase, Render};
pub use digest::{Digest, Digester};
pub use figure::{Cut, Figure, Keep, Results};
pub use gate::{Gate, GateReport, Limit, MIN_ANSWERS_FOR_P95, judge};
pub use grade::{AssertionResult, CaseResult, Graded, Verdict};
pub use halt::{Halt, Stop};
pub use jury::{
    Contest, Contested, Heard, Judging, Jury, Pair, Pairwise, Preference, RunProgram, contest, contested,
    same_family,
};
pub use lanes::Lanes;
pub use numbers::numbers_in;
pub use repair::{Repair, Repairs};
pub use repeat::{Decided, decided, decided_cases};
pub use resume::{Taken, take_up};
pub use run::{Bench, Progress, RunOptions, Subject, run};
pub use sample::sample;
pub use set::{Set, subject_halves};
pub use shape::{Shape, Structured};
pub use statistics::{percentile, wilson_interval};
pub use summary::Summary;
