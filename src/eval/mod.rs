//! Is it good enough? Golden sets run against models, scored, with the uncertainty beside every figure, and a gate.
//!
//! An error is never a low score: what could not be graded is *unscored*, counted and shown apart. This room knows no
//! file format and prints nothing; `config` makes its sets and `view` shows its results. Start with [`Set`], then
//! [`run()`] and [`judge`].

mod assertion;
mod gate;
mod grade;
mod numbers;
mod run;
mod set;
mod shape;
mod statistics;
mod summary;

pub use assertion::{
    Assertion, Check, Combination, Comparison, Kind, Measure, PathTest, Place, Quantity, Tolerance, Unit,
};
pub use gate::{Gate, GateReport, Limit, judge};
pub use grade::{AssertionResult, CaseResult, Graded, Verdict};
pub use numbers::numbers_in;
pub use run::{Progress, RunOptions, Subject, run};
pub use set::{Case, Set};
pub use shape::{Shape, Structured};
pub use statistics::{percentile, wilson_interval};
pub use summary::Summary;
