//! The reports of an eval: one file a form. Each form has one place for what is said of a run as a whole (verdict, figures)
//! and one for its cases.

mod cases;
mod csv;
mod file;
mod github;
mod html;
mod json;
mod jsonl;
mod junit;
mod markdown;
mod words;

use std::io::{self, Write};
use std::path::Path;

use crate::eval::statistics::Quorum;
use crate::eval::{self, CaseResult, Comparison, GateReport, Results, Set, Summary};

pub use file::{replace_file, writable};
pub use github::{annotations, defused};
pub use json::eval_json;
pub use markdown::markdown;

pub(super) use cases::{Judged, ShownCases};
pub(super) use words::{SIMULATED, is_simulated, judge_words, repair_words, shortened};

/// One golden set, run against its subjects.
#[derive(Clone, Copy, Debug)]
pub struct EvalRun<'a> {
    /// The id of the run.
    pub id: &'a str,
    /// The set.
    pub set: &'a Set,
    /// Those of its cases that were run.
    pub cases: &'a eval::Cases,
    /// How often each of them was asked.
    pub repeats: u32,
    /// How many of a case's answers must pass, where that decides the case.
    pub min_pass: Option<Quorum>,
    /// Whether all of that was done.
    pub is_whole: bool,
    /// The figures of each subject.
    pub summaries: &'a [Summary],
    /// The results of each subject, in the same order.
    pub results: &'a [Results],
    /// How subjects stand to the baseline, where there is one.
    pub comparisons: &'a [Comparison],
    /// What the gate says.
    pub gate: &'a GateReport,
}

impl<'a> EvalRun<'a> {
    /// Each subject with those of its results that were kept whole.
    pub(super) fn subjects(&self) -> impl Iterator<Item = (&'a Summary, &'a [CaseResult])> + use<'a> {
        self.summaries.iter().zip(self.results.iter().map(|results| results.whole.as_slice()))
    }

    /// Why the gate does not pass, the gravest first.
    pub(super) fn reasons(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.gate.words()
    }
}

/// A form that a report can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
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

impl Form {
    /// The extensions of all forms, for a sentence.
    pub const EXTENSIONS: &'static str = ".json, .jsonl, .csv, .xml, .md or .html";

    /// The form that a file's name asks for.
    pub fn of(path: &Path) -> Option<Self> {
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
            Self::Markdown => out.write_all(markdown(runs).as_bytes()),
            Self::Html => html::write(runs, out),
        }
    }
}
