//! Reports of an eval, one file per format. Depends on `eval` for runs and results, and on the rest of `view`
//! for formatting.

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
use crate::view::gate_reasons::gate_messages;

pub(crate) use github::{annotations, neutralize_workflow_commands};
pub(crate) use json::eval_json;
pub(crate) use markdown::markdown_report;
pub(crate) use replace_file::{probe_writable, replace_file};

pub(super) use cases::{ReportCases, ReportedCase};
pub(super) use report_text::{SIMULATED_NOTE, describe_grading, describe_repairs, is_simulated, shorten};

/// One golden set with the results of its subjects.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EvalRun<'a> {
    pub id: &'a str,
    pub set: &'a GoldenSet,
    /// The cases that were run.
    pub cases: &'a eval::Cases,
    pub repeats: u32,
    /// How many repeats of a case must pass; `None` if each result counts separately.
    pub min_pass: Option<MinPass>,
    pub is_complete: bool,
    pub summaries: &'a [SubjectSummary],
    /// In the order of `summaries`.
    pub results: &'a [SubjectResults],
    pub comparisons: &'a [BaselineComparison],
    pub gate: &'a GateReport,
}

impl<'a> EvalRun<'a> {
    /// Each subject with the results that were kept in full.
    pub(super) fn subjects(&self) -> impl Iterator<Item = (&'a SubjectSummary, &'a [CaseResult])> + use<'a> {
        self.summaries.iter().zip(self.results.iter().map(|results| results.full_results.as_slice()))
    }

    /// Why the gate does not pass, the most serious reason first.
    pub(super) fn reasons(&self) -> impl Iterator<Item = String> + use<'a> {
        gate_messages(self.gate)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReportFormat {
    Json,
    Jsonl,
    Csv,
    Junit,
    Markdown,
    Html,
}

impl ReportFormat {
    /// All file name extensions, for messages.
    pub(crate) const EXTENSIONS: &'static str = ".json, .jsonl, .csv, .xml, .md, or .html";

    pub(crate) fn from_path(path: &Path) -> Option<Self> {
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

    pub(crate) fn write(self, runs: &[EvalRun<'_>], exit_code: u8, out: &mut dyn Write) -> io::Result<()> {
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
