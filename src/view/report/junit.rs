//! The results of an eval as JUnit's XML: a suite for each subject, a test for each case.

use std::io::{self, Write};

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use super::words::{judge_words, repair_words, shortened};
use super::{EvalRun, Judged, ShownCases};
use crate::eval::{CaseResult, Summary, Verdict};
use crate::view::comparison::comparison_lines;

type Xml<'a> = Writer<&'a mut dyn Write>;

/// A message in an attribute has at most so many characters; all of it is in the text.
const MESSAGE: usize = 300;

pub(super) fn write(runs: &[EvalRun<'_>], out: &mut dyn Write) -> io::Result<()> {
    let mut xml = Writer::new_with_indent(out, b' ', 2);
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let mut all = Counts::default();
    for run in runs {
        for (summary, _) in run.subjects() {
            all.add(&Counts::of(summary));
        }
    }
    let root = xml.create_element("testsuites").with_attribute(("name", "slalom eval"));
    root.with_attributes(all.attributes().iter().map(|(name, value)| (*name, value.as_str())))
        .write_inner_content(|xml| runs.iter().try_for_each(|run| suites(xml, run)))?;
    xml.into_inner().write_all(b"\n")
}

/// How the cases of a subject, or of all of them, fared.
#[derive(Default)]
struct Counts {
    tests: u64,
    failures: u64,
    errors: u64,
}

impl Counts {
    fn of(summary: &Summary) -> Self {
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

fn suites(xml: &mut Xml<'_>, run: &EvalRun<'_>) -> io::Result<()> {
    for (summary, results) in run.subjects() {
        let cases = ShownCases::of(run, summary);
        let name = allowed(&format!("{} · {}", run.set.name, summary.subject));
        // A dot would part a package from a class, and models have dots in their names.
        let class =
            allowed(&format!("{}.{}", run.set.name.replace('.', "_"), summary.subject.replace('.', "_")));
        let counts = Counts::of(summary).attributes();
        let time = seconds(results);
        let suite = xml
            .create_element("testsuite")
            .with_attribute(("name", name.as_str()))
            .with_attributes(counts.iter().map(|(name, value)| (*name, value.as_str())))
            .with_attribute(("skipped", "0"))
            .with_attributes(time.as_deref().map(|time| ("time", time)));
        suite.write_inner_content(|xml| {
            properties(xml, run, summary)?;
            cases.judged(results).try_for_each(|judged| test(xml, &class, &judged))
        })?;
    }
    Ok(())
}

/// How the subject stands to the baseline.
fn compared(run: &EvalRun<'_>, summary: &Summary) -> Option<String> {
    let own = run.comparisons.iter().find(|comparison| comparison.challenger == summary.subject)?;
    comparison_lines(std::slice::from_ref(own), false).into_iter().next()
}

/// What is known of the subject and of the run as a whole.
fn properties(xml: &mut Xml<'_>, run: &EvalRun<'_>, summary: &Summary) -> io::Result<()> {
    let number = |value: Option<f64>| value.map(|value| value.to_string());
    let mut all: Vec<(&str, Option<String>)> = vec![
        ("run", Some(run.id.to_owned())),
        ("set.path", Some(run.set.path.clone())),
        ("set.digest", Some(run.set.digest.clone())),
        ("complete", Some(run.is_whole.to_string())),
        ("simulated", Some(summary.simulated.to_string())),
        ("pass_rate", number(summary.pass_rate)),
        ("pass_rate.low", number(summary.interval.map(|(low, _)| low))),
        ("pass_rate.high", number(summary.interval.map(|(_, high)| high))),
        ("repaired_pass_rate", number(summary.repaired_pass_rate)),
        ("repairs", repair_words(summary)),
        ("mean_score", number(summary.mean_score)),
        ("cost_usd", number(summary.cost.usd())),
        ("judging", Some(judge_words(summary).join("; ")).filter(|words| !words.is_empty())),
        ("latency_ms.p50", number(summary.latency_ms.map(|[p50, ..]| p50))),
        ("latency_ms.p95", number(summary.latency_ms.map(|[_, p95, _]| p95))),
        ("comparison", compared(run, summary)),
        ("gate.passed", Some(run.gate.passed().to_string())),
    ];
    all.extend(run.reasons().map(|reason| ("gate.reason", Some(reason.to_owned()))));
    xml.create_element("properties").write_inner_content(|xml| {
        for (name, value) in &all {
            let Some(value) = value else { continue };
            let value = one_line(value);
            xml.create_element("property")
                .with_attributes([("name", *name), ("value", value.as_str())])
                .write_empty()?;
        }
        Ok(())
    })?;
    Ok(())
}

fn test(xml: &mut Xml<'_>, class: &str, judged: &Judged<'_>) -> io::Result<()> {
    let name = one_line(&judged.name());
    let time = seconds(judged.results);
    let element = xml
        .create_element("testcase")
        .with_attributes([("name", name.as_str()), ("classname", class)])
        .with_attributes(time.as_deref().map(|time| ("time", time)));
    let kind = match judged.verdict {
        Verdict::Pass => return element.write_empty().map(drop),
        Verdict::Fail => "failure",
        // An error is no failure: nobody knows what the answer would have been.
        Verdict::Unscored => "error",
    };
    element
        .write_inner_content(|xml| {
            let whys = judged.whys();
            let first = whys.first().map(|why| (one_line(why.name), format!("{}: {}", why.name, why.reason)));
            let (name, message) = first.unwrap_or_default();
            let message = shortened(&one_line(&message), MESSAGE);
            xml.create_element(kind)
                .with_attributes([("message", message.as_str()), ("type", name.as_str())])
                .write_text_content(BytesText::new(&allowed(&body(judged))))?;
            Ok(())
        })
        .map(drop)
}

/// All that there is to say of a case that does not pass.
fn body(judged: &Judged<'_>) -> String {
    let mut lines: Vec<String> =
        judged.whys().iter().map(|why| format!("{}: {}", why.name, why.reason)).collect();
    lines.extend(judged.repeats_words());
    lines.extend(judged.repaired_by().map(|repairs| format!("passes once repaired: {repairs}")));
    lines.push(format!("prompt:\n{}", judged.own_prompt()));
    if judged.verdict == Verdict::Fail {
        lines.push(format!("answer:\n{}", judged.decisive.text));
    }
    lines.join("\n")
}

/// What the calls took together; nothing where that is not known of all of them.
fn seconds(results: &[CaseResult]) -> Option<String> {
    let known: Option<Vec<f64>> =
        results.iter().map(|r| r.latency.map(|latency| latency.as_secs_f64())).collect();
    known.map(|all| format!("{:.3}", all.iter().sum::<f64>()))
}

/// A text without the characters that XML 1.0 cannot hold, not even escaped.
fn allowed(text: &str) -> String {
    let is_allowed = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..='\u{10ffff}');
    text.chars().map(|c| if is_allowed(c) { c } else { '\u{fffd}' }).collect()
}

/// An attribute's value: a parser would make spaces of its line breaks anyway.
fn one_line(text: &str) -> String {
    allowed(text).replace(['\n', '\r', '\t'], " ")
}
