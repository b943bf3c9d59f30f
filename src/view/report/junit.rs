//! The results of an eval as JUnit XML: one suite per subject, one test per case.

use std::io::{self, Write};

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use super::report_text::{describe_grading, describe_repairs, shorten};
use super::{EvalRun, ReportCases, ReportedCase};
use crate::eval::{CaseResult, SubjectSummary, Verdict};
use crate::view::baseline_comparison::comparison_lines;

type XmlWriter<'a> = Writer<&'a mut dyn Write>;

/// Limit for the `message` attribute; the element's text has the whole message.
const MAX_MESSAGE_CHARS: usize = 300;

pub(super) fn write(runs: &[EvalRun<'_>], out: &mut dyn Write) -> io::Result<()> {
    let mut xml = Writer::new_with_indent(out, b' ', 2);
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let mut all = JunitCounts::default();
    for run in runs {
        for (summary, _) in run.subjects() {
            all.add(&JunitCounts::of(summary));
        }
    }
    let root = xml.create_element("testsuites").with_attribute(("name", "slalom eval"));
    root.with_attributes(all.attributes().iter().map(|(name, value)| (*name, value.as_str())))
        .write_inner_content(|xml| runs.iter().try_for_each(|run| write_suites(xml, run)))?;
    xml.into_inner().write_all(b"\n")
}

#[derive(Default)]
struct JunitCounts {
    tests: u64,
    failures: u64,
    errors: u64,
}

impl JunitCounts {
    fn of(summary: &SubjectSummary) -> Self {
        let tests = summary.passed + summary.failed + summary.unscored;
        Self { tests, failures: summary.failed, errors: summary.unscored }
    }

    fn add(&mut self, other: &Self) {
        self.tests += other.tests;
        self.failures += other.failures;
        self.errors += other.errors;
    }

    fn attributes(&self) -> [(&'static str, String); 3] {
        let [tests, failures, errors] =
            [self.tests, self.failures, self.errors].map(|count| count.to_string());
        [("tests", tests), ("failures", failures), ("errors", errors)]
    }
}

fn write_suites(xml: &mut XmlWriter<'_>, run: &EvalRun<'_>) -> io::Result<()> {
    for (summary, results) in run.subjects() {
        let cases = ReportCases::for_subject(run, summary);
        let name = strip_invalid_xml_chars(&format!("{} · {}", run.set.name, summary.subject));
        // Dots separate packages from classes, but model names contain dots.
        let class = strip_invalid_xml_chars(&format!(
            "{}.{}",
            run.set.name.replace('.', "_"),
            summary.subject.replace('.', "_")
        ));
        let counts = JunitCounts::of(summary).attributes();
        let time = total_seconds(results);
        let suite = xml
            .create_element("testsuite")
            .with_attribute(("name", name.as_str()))
            .with_attributes(counts.iter().map(|(name, value)| (*name, value.as_str())))
            .with_attribute(("skipped", "0"))
            .with_attributes(time.as_deref().map(|time| ("time", time)));
        suite.write_inner_content(|xml| {
            write_properties(xml, run, summary)?;
            cases.reported(results).try_for_each(|reported| write_test_case(xml, &class, &reported))
        })?;
    }
    Ok(())
}

fn describe_comparison(run: &EvalRun<'_>, summary: &SubjectSummary) -> Option<String> {
    let own = run.comparisons.iter().find(|comparison| comparison.challenger == summary.subject)?;
    comparison_lines(std::slice::from_ref(own), false).into_iter().next()
}

fn write_properties(xml: &mut XmlWriter<'_>, run: &EvalRun<'_>, summary: &SubjectSummary) -> io::Result<()> {
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
    all.extend(run.reasons().map(|reason| ("gate.reason", Some(reason.to_owned()))));
    xml.create_element("properties").write_inner_content(|xml| {
        for (name, value) in &all {
            let Some(value) = value else { continue };
            let value = collapse_whitespace(value);
            xml.create_element("property")
                .with_attributes([("name", *name), ("value", value.as_str())])
                .write_empty()?;
        }
        Ok(())
    })?;
    Ok(())
}

fn write_test_case(xml: &mut XmlWriter<'_>, class: &str, reported: &ReportedCase<'_>) -> io::Result<()> {
    let name = collapse_whitespace(&reported.display_name());
    let time = total_seconds(reported.results);
    let element = xml
        .create_element("testcase")
        .with_attributes([("name", name.as_str()), ("classname", class)])
        .with_attributes(time.as_deref().map(|time| ("time", time)));
    let kind = match reported.verdict {
        Verdict::Pass => return element.write_empty().map(drop),
        Verdict::Fail => "failure",
        // Without a verdict the case is an error, not a failure.
        Verdict::Unscored => "error",
    };
    element
        .write_inner_content(|xml| {
            let reasons = reported.reasons();
            let first = reasons
                .first()
                .map(|why| (collapse_whitespace(why.name), format!("{}: {}", why.name, why.reason)));
            let (name, message) = first.unwrap_or_default();
            let message = shorten(&collapse_whitespace(&message), MAX_MESSAGE_CHARS);
            xml.create_element(kind)
                .with_attributes([("message", message.as_str()), ("type", name.as_str())])
                .write_text_content(BytesText::new(&strip_invalid_xml_chars(&failure_body(reported))))?;
            Ok(())
        })
        .map(drop)
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
fn total_seconds(results: &[CaseResult]) -> Option<String> {
    let known: Option<Vec<f64>> =
        results.iter().map(|r| r.latency.map(|latency| latency.as_secs_f64())).collect();
    known.map(|all| format!("{:.3}", all.iter().sum::<f64>()))
}

/// Replaces characters that XML 1.0 does not allow even when escaped.
fn strip_invalid_xml_chars(text: &str) -> String {
    let is_allowed = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..='\u{10ffff}');
    text.chars().map(|c| if is_allowed(c) { c } else { '\u{fffd}' }).collect()
}

/// For attribute values, in which XML parsers replace line breaks with spaces.
fn collapse_whitespace(text: &str) -> String {
    strip_invalid_xml_chars(text).replace(['\n', '\r', '\t'], " ")
}
