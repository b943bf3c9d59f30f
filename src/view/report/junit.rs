//! The results of an eval as JUnit XML: one suite per subject, one test per case.

use std::io::{self, Write};
use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::report_text::{describe_grading, describe_repairs, shorten};
use super::{EvalRun, ReportCases, ReportedCase};
use crate::eval::{CaseResult, SubjectSummary, Verdict};
use crate::view::baseline_comparison::comparison_lines;

/// Limit for the `message` attribute; the element's text has the whole message.
const MAX_MESSAGE_CHARS: usize = 300;

pub(super) fn write(runs: &[EvalRun<'_>], out: &mut dyn Write) -> io::Result<()> {
    let mut report = Report::new("slalom eval");
    for run in runs {
        for (summary, results) in run.subjects() {
            report.add_test_suite(build_suite(run, summary, results));
        }
    }
    // Serializing straight to `out` would hide the reason of a write error.
    let xml = report.to_string().map_err(io::Error::other)?;
    out.write_all(xml.as_bytes())
}

fn build_suite(run: &EvalRun<'_>, summary: &SubjectSummary, results: &[CaseResult]) -> TestSuite {
    let cases = ReportCases::for_subject(run, summary);
    let mut suite = TestSuite::new(clean_attribute(&format!("{} · {}", run.set.name, summary.subject)));
    suite.time = total_time(results);
    add_properties(&mut suite, run, summary);
    // Dots separate packages from classes, but model names contain dots.
    let class =
        clean_attribute(&format!("{}.{}", run.set.name.replace('.', "_"), summary.subject.replace('.', "_")));
    suite.add_test_cases(cases.reported(results).map(|reported| build_test_case(&class, &reported)));
    suite
}

fn describe_comparison(run: &EvalRun<'_>, summary: &SubjectSummary) -> Option<String> {
    let own = run.comparisons.iter().find(|comparison| comparison.challenger == summary.subject)?;
    comparison_lines(std::slice::from_ref(own), false).into_iter().next()
}

fn add_properties(suite: &mut TestSuite, run: &EvalRun<'_>, summary: &SubjectSummary) {
    let number = |value: Option<f64>| value.map(|value| value.to_string());
    let mut all: Vec<(&str, Option<String>)> = vec![
        ("run", Some(run.id.to_owned())),
        ("set.path", Some(run.set.path.clone())),
        ("set.digest", Some(run.set.digest.clone())),
        ("complete", Some(run.is_complete.to_string())),
        ("simulated", Some(summary.is_simulated.to_string())),
        ("pass_rate", number(summary.pass_rate)),
        ("pass_rate.low", number(summary.pass_rate_interval.map(|(low, _)| low))),
        ("pass_rate.high", number(summary.pass_rate_interval.map(|(_, high)| high))),
        ("repaired_pass_rate", number(summary.repaired_pass_rate)),
        ("repairs", describe_repairs(summary)),
        ("mean_score", number(summary.mean_score)),
        ("cost_usd", number(summary.cost.usd())),
        ("judging", Some(describe_grading(summary).join("; ")).filter(|text| !text.is_empty())),
        ("latency_ms.p50", number(summary.latency_ms.map(|[p50, ..]| p50))),
        ("latency_ms.p95", number(summary.latency_ms.map(|[_, p95, _]| p95))),
        ("comparison", describe_comparison(run, summary)),
        ("gate.passed", Some(run.gate.is_passed().to_string())),
    ];
    all.extend(run.reasons().map(|reason| ("gate.reason", Some(reason))));
    let known = all.into_iter().filter_map(|(name, value)| Some((name, value?)));
    suite.add_properties(known.map(|(name, value)| (name.to_owned(), clean_attribute(&value))));
}

fn build_test_case(class: &str, reported: &ReportedCase<'_>) -> TestCase {
    let mut case = TestCase::new(clean_attribute(&reported.display_name()), case_status(reported));
    case.set_classname(class);
    case.time = total_time(reported.results);
    case
}

fn case_status(reported: &ReportedCase<'_>) -> TestCaseStatus {
    let kind = match reported.verdict {
        Verdict::Pass => return TestCaseStatus::success(),
        Verdict::Fail => NonSuccessKind::Failure,
        // Without a verdict the case is an error, not a failure.
        Verdict::Unscored => NonSuccessKind::Error,
    };
    let mut status = TestCaseStatus::non_success(kind);
    if let Some(first) = reported.reasons().first() {
        let message = clean_attribute(&format!("{}: {}", first.name, first.reason));
        status.set_message(shorten(&message, MAX_MESSAGE_CHARS)).set_type(clean_attribute(first.name));
    }
    status.set_description(clean_text(&failure_body(reported)));
    status
}

fn failure_body(reported: &ReportedCase<'_>) -> String {
    let mut lines: Vec<String> =
        reported.reasons().iter().map(|why| format!("{}: {}", why.name, why.reason)).collect();
    lines.extend(reported.describe_repeats());
    lines.extend(reported.repaired_by().map(|repairs| format!("passes after repair: {repairs}")));
    lines.push(format!("prompt:\n{}", reported.unshared_prompt()));
    if reported.verdict == Verdict::Fail {
        lines.push(format!("answer:\n{}", reported.decisive.text));
    }
    lines.join("\n")
}

/// Total time of the calls; `None` if one of them is unknown.
fn total_time(results: &[CaseResult]) -> Option<Duration> {
    results.iter().map(|result| result.latency).sum()
}

/// Replaces what quick-junit would remove silently, or what XML 1.0 does not allow even when escaped. Tabs
/// become spaces, and line breaks become line feeds, as in every XML parser.
fn clean_text(text: &str) -> String {
    let is_removed = |c: char| c != '\n' && c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}');
    let text = text.replace("\r\n", "\n").replace('\r', "\n").replace('\t', "    ");
    text.replace(is_removed, "\u{fffd}")
}

/// For attribute values, in which XML parsers replace line breaks with spaces.
fn clean_attribute(text: &str) -> String {
    clean_text(&text.replace('\t', " ")).replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// quick-junit removes nothing more, so no part of an answer disappears without a mark.
    #[test]
    fn cleaned_text_is_kept_verbatim() {
        let text = "a\tb\r\nc\rd\u{0}\u{1b}[2J\u{7f}\u{9b}31m\u{fffe}\u{ffff}]]>&amp;<é>\u{202e}";
        let clean = clean_text(text);
        assert_eq!(
            clean,
            "a    b\nc\nd\u{fffd}\u{fffd}[2J\u{fffd}\u{fffd}31m\u{fffd}\u{fffd}]]>&amp;<é>\u{202e}"
        );
        assert_eq!(quick_junit::XmlString::new(&clean).as_str(), clean);
        assert_eq!(clean_attribute("a\tb\r\nc"), "a b c");
    }

    #[test]
    fn report_reads_back_as_written() {
        let mut suite = TestSuite::new("s");
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
        status.set_message(clean_attribute("]]>\n\u{0}")).set_description(clean_text("answer:\n]]>\u{b}"));
        suite.add_property(("gate.reason", "a < b & \"c\"")).add_test_case(TestCase::new("c", status));
        let mut report = Report::new("slalom eval");
        report.add_test_suite(suite);
        let xml = report.to_string().unwrap();
        assert!(!xml.contains("]]>"), "{xml}");
        assert_eq!(Report::deserialize_from_str(&xml).unwrap(), report);
    }
}
