//! The reports of an eval: one file a form. Each form has one place for what is said of a run as a whole (verdict, figures)
//! and one for its cases.

mod cases;
mod csv;
mod github;
mod html;
mod json;
mod jsonl;
mod junit;
mod markdown;
mod replace_file;
mod report_text;

use std::io::{self, Write};
use std::path::Path;

use crate::eval::statistics::MinPass;
use crate::eval::{
    self, BaselineComparison, CaseResult, GateReport, GoldenSet, SubjectResults, SubjectSummary,
};

pub use github::{annotations, neutralize_workflow_commands};
pub use json::eval_json;
pub use markdown::markdown_report;
pub use replace_file::{probe_writable, replace_file};

pub(super) use cases::{ReportCases, ReportedCase};
pub(super) use report_text::{SIMULATED_NOTE, describe_grading, describe_repairs, is_simulated, shorten};

/// One golden set, run against its subjects.
#[derive(Clone, Copy, Debug)]
pub struct EvalRun<'a> {
    /// The id of the run.
    pub id: &'a str,
    /// The set.
    pub set: &'a GoldenSet,
    /// Those of its cases that were run.
    pub cases: &'a eval::Cases,
    /// How often each of them was asked.
    pub repeats: u32,
    /// How many of a case's answers must pass, where that decides the case.
    pub min_pass: Option<MinPass>,
    /// Whether all of that was done.
    pub is_complete: bool,
    /// The figures of each subject.
    pub summaries: &'a [SubjectSummary],
    /// The results of each subject, in the same order.
    pub results: &'a [SubjectResults],
    /// How subjects stand to the baseline, where there is one.
    pub comparisons: &'a [BaselineComparison],
    /// What the gate says.
    pub gate: &'a GateReport,
}

impl<'a> EvalRun<'a> {
    /// Each subject with those of its results that were kept whole.
    pub(super) fn subjects(&self) -> impl Iterator<Item = (&'a SubjectSummary, &'a [CaseResult])> + use<'a> {
        self.summaries.iter().zip(self.results.iter().map(|results| results.full_results.as_slice()))
    }

    /// Why the gate does not pass, the gravest first.
    pub(super) fn reasons(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.gate.messages()
    }
}

/// A form that a report can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportFormat {
    /// `slalom.eval/1` with every case.
    Json,
    /// One result a line.
    Jsonl,
    /// One result a row.
    Csv,
    /// JUnit's XML.
    Junit,
    /// A comment for a pull request.
    Markdown,
    /// A page of its own.
    Html,
}

impl ReportFormat {
    /// The extensions of all forms, for a sentence.
    pub const EXTENSIONS: &'static str = ".json, .jsonl, .csv, .xml, .md or .html";

    /// The form that a file's name asks for.
    pub fn from_path(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "json" => Some(Self::Json),
            "jsonl" => Some(Self::Jsonl),
            "csv" => Some(Self::Csv),
            "xml" => Some(Self::Junit),
            "md" => Some(Self::Markdown),
            "html" => Some(Self::Html),
            _ => None,
        }
    }

    /// Writes a report of all runs.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(self, runs: &[EvalRun<'_>], exit_code: u8, out: &mut dyn Write) -> io::Result<()> {
        match self {
            Self::Json => json::write(runs, exit_code, out),
            Self::Jsonl => jsonl::write(runs, out),
            Self::Csv => csv::write(runs, out),
            Self::Junit => junit::write(runs, out),
            Self::Markdown => out.write_all(markdown_report(runs).as_bytes()),
            Self::Html => html::write(runs, out),
        }
    }
}
