//! The results of an eval as one HTML page, without scripts or external resources. The template escapes all
//! text.

use std::io::{self, Write};

use minijinja::{AutoEscape, Environment, Value, context};

use super::report_text::{
    describe_grading, describe_repairs, describe_run, format_pass_rate, format_percentile,
    format_three_decimals, is_simulated,
};
use super::{EvalRun, ReportCases, ReportedCase};
use crate::eval::{SubjectSummary, Verdict};
use crate::view::baseline_comparison::comparison_lines;
use crate::view::format::{format_cost, strip_control_chars};

const PAGE_TEMPLATE: &str = include_str!("page.html");

pub(super) fn write(runs: &[EvalRun<'_>], out: &mut dyn Write) -> io::Result<()> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    let template = environment.template_from_str(PAGE_TEMPLATE).map_err(io::Error::other)?;
    let runs: Vec<Value> = runs.iter().map(run_value).collect();
    template.render_captured_to(context! { runs }, out).map_err(io::Error::other)?;
    Ok(())
}

fn run_value(run: &EvalRun<'_>) -> Value {
    let subjects: Vec<Value> = run
        .subjects()
        .map(|(summary, results)| {
            let report_cases = ReportCases::for_subject(run, summary);
            let cases: Vec<Value> =
                report_cases.reported(results).map(|reported| case_value(&reported)).collect();
            let preface = report_cases.shared_prompt().map(|preface| strip_control_chars(&preface));
            context! { cases, preface, ..subject_value(summary) }
        })
        .collect();
    context! {
        name => strip_control_chars(&run.set.name), description => run.set.description.as_deref().map(strip_control_chars), about => describe_run(run),
        passed => run.gate.is_passed(), reasons => run.reasons().map(|reason| strip_control_chars(&reason)).collect::<Vec<_>>(), subjects,
        comparisons => comparison_lines(run.comparisons, false).iter().map(|line| strip_control_chars(line)).collect::<Vec<_>>(),
        simulated => is_simulated(run).then_some(super::report_text::SIMULATED_NOTE),
    }
}

fn subject_value(summary: &SubjectSummary) -> Value {
    context! {
        subject => strip_control_chars(&summary.subject), simulated => summary.is_simulated,
        passed => summary.passed, scored => summary.passed + summary.failed, unscored => summary.unscored,
        rate => format_pass_rate(summary), repaired => format_three_decimals(summary.repaired_pass_rate), score => format_three_decimals(summary.mean_score),
        cost => format_cost(summary.cost), p50 => format_percentile(summary, 0), p95 => format_percentile(summary, 1),
        repairs => describe_repairs(summary), judging => describe_grading(summary).iter().map(|line| strip_control_chars(line)).collect::<Vec<_>>(),
    }
}

fn case_value(reported: &ReportedCase<'_>) -> Value {
    let reasons: Vec<Value> = reported
        .reasons()
        .iter()
        .map(|why| context! { name => strip_control_chars(why.name), reason => strip_control_chars(&why.reason) })
        .collect();
    let verdict = match reported.verdict {
        Verdict::Pass => "passed",
        Verdict::Fail => "failed",
        Verdict::Unscored => "unscored",
    };
    context! {
        name => strip_control_chars(&reported.display_name()), verdict, reasons, score => format_three_decimals(reported.score), repeats => reported.describe_repeats(),
        repairs => reported.repaired_by().map(|repairs| repairs.to_string()),
        served_by => reported.decisive.served_by.as_ref().map(ToString::to_string),
        prompt => strip_control_chars(&reported.unshared_prompt()), answer => strip_control_chars(&reported.decisive.text),
    }
}
