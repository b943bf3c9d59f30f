//! The results of an eval as one page: no script, nothing from outside, everything escaped by the template.

use std::io::{self, Write};

use minijinja::{AutoEscape, Environment, Value, context};

use super::words::{about, is_simulated, judge_words, percentile, rate, repair_words, three};
use super::{EvalRun, Judged, ShownCases};
use crate::eval::{Summary, Verdict};
use crate::view::comparison::comparison_lines;
use crate::view::format::{harmless, money};

const PAGE: &str = include_str!("page.html");

pub(super) fn write(runs: &[EvalRun<'_>], out: &mut dyn Write) -> io::Result<()> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    let template = environment.template_from_str(PAGE).map_err(io::Error::other)?;
    let runs: Vec<Value> = runs.iter().map(of_run).collect();
    template.render_captured_to(context! { runs }, out).map_err(io::Error::other)?;
    Ok(())
}

fn of_run(run: &EvalRun<'_>) -> Value {
    let subjects: Vec<Value> = run
        .subjects()
        .map(|(summary, results)| {
            let of = ShownCases::of(run, summary);
            let cases: Vec<Value> = of.judged(results).map(|judged| of_case(&judged)).collect();
            let preface = of.preface().map(|preface| harmless(&preface));
            context! { cases, preface, ..of_subject(summary) }
        })
        .collect();
    context! {
        name => harmless(&run.set.name), description => run.set.description.as_deref().map(harmless), about => about(run),
        passed => run.gate.passed(), reasons => run.reasons().map(harmless).collect::<Vec<_>>(), subjects,
        comparisons => comparison_lines(run.comparisons, false).iter().map(|line| harmless(line)).collect::<Vec<_>>(),
        simulated => is_simulated(run).then_some(super::words::SIMULATED),
    }
}

fn of_subject(summary: &Summary) -> Value {
    context! {
        subject => harmless(&summary.subject), simulated => summary.simulated,
        passed => summary.passed, scored => summary.passed + summary.failed, unscored => summary.unscored,
        rate => rate(summary), repaired => three(summary.repaired_pass_rate), score => three(summary.mean_score),
        cost => money(summary.cost), p50 => percentile(summary, 0), p95 => percentile(summary, 1),
        repairs => repair_words(summary), judging => judge_words(summary).iter().map(|words| harmless(words)).collect::<Vec<_>>(),
    }
}

fn of_case(judged: &Judged<'_>) -> Value {
    let whys: Vec<Value> = judged
        .whys()
        .iter()
        .map(|why| context! { name => harmless(why.name), reason => harmless(why.reason) })
        .collect();
    let verdict = match judged.verdict {
        Verdict::Pass => "passed",
        Verdict::Fail => "failed",
        Verdict::Unscored => "unscored",
    };
    context! {
        name => harmless(&judged.name()), verdict, whys, score => three(judged.score), repeats => judged.repeats_words(),
        repairs => judged.repaired_by().map(|repairs| repairs.to_string()),
        served_by => judged.decisive.served_by.as_ref().map(ToString::to_string),
        prompt => harmless(&judged.own_prompt()), answer => harmless(&judged.decisive.text),
    }
}
