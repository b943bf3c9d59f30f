//! The results of an eval as Markdown for a pull request comment, with the verdict first. Model output is set
//! in code, in fences longer than any in the output, so that it cannot end a table or a fence, add HTML or
//! links, or mention a user.

use super::report_text::{
    describe_grading, describe_repairs, describe_run, format_pass_rate, format_percentile,
    format_three_decimals, is_simulated, shorten,
};
use super::{EvalRun, ReportCases, ReportedCase};
use crate::chat::sanitize_char;
use crate::eval::Verdict;
use crate::view::baseline_comparison::comparison_lines;
use crate::view::format::{format_cost, pluralize, strip_control_chars};

/// GitHub allows 65,536 characters and rejects longer comments.
const MAX_REPORT_CHARS: usize = 60_000;

const MAX_TEXT_CHARS: usize = 2_000;

pub(crate) fn markdown_report(runs: &[EvalRun<'_>]) -> String {
    let mut out = runs.iter().map(overview).collect::<Vec<_>>().join("\n");
    for run in runs {
        write_cases(run, &mut out);
    }
    out
}

fn overview(run: &EvalRun<'_>) -> String {
    let verdict = if run.gate.is_passed() {
        "✅ the gate passed"
    } else if run.gate.violations.is_empty() {
        "⚠️ the gate is inconclusive"
    } else {
        "❌ the gate failed"
    };
    let mut out = format!("## {}: {verdict}\n\n", inline_code(&run.set.name));
    let reasons: Vec<String> = run.reasons().collect();
    if !reasons.is_empty() {
        out += &format!("{}\n", fenced_block(&reasons.join("\n")));
    }
    out += "| subject | passed | pass rate [95% CI] | after repair | score | cost | p50 | p95 |\n";
    out += "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n";
    for summary in run.summaries {
        let mark = if summary.is_simulated { " (sim)" } else { "" };
        out += &format!(
            "| {}{mark} | {}/{} | {} | {} | {} | {} | {} | {} |\n",
            inline_code(&summary.subject),
            summary.passed,
            summary.passed + summary.failed,
            format_pass_rate(summary),
            format_three_decimals(summary.repaired_pass_rate),
            format_three_decimals(summary.mean_score),
            format_cost(summary.cost),
            format_percentile(summary, 0),
            format_percentile(summary, 1),
        );
    }
    let compared = comparison_lines(run.comparisons, false);
    if !compared.is_empty() {
        out += &format!("\nPaired comparison:\n\n{}", fenced_block(&compared.join("\n")));
    }
    out += &format!("\n{}", run_notes(run));
    out
}

/// Notes below the figures.
fn run_notes(run: &EvalRun<'_>) -> String {
    let mut notes = Vec::new();
    for summary in run.summaries {
        let subject = inline_code(&summary.subject);
        notes.extend(describe_repairs(summary).map(|text| format!("- {subject}: {text}")));
        notes.extend(
            describe_grading(summary).iter().map(|text| format!("- {subject}: {}", inline_code(text))),
        );
        if summary.unscored > 0 {
            let count = pluralize(summary.unscored, "case");
            notes.push(format!("- {subject}: {count} unscored, not counted in rates, scores, or latencies"));
        }
        if summary.cached_count > 0 {
            notes.push(format!("- {subject}: {} from the cache", pluralize(summary.cached_count, "answer")));
        }
    }
    if is_simulated(run) {
        notes.push(format!("- {}", super::report_text::SIMULATED_NOTE));
    }
    notes.push(format!("- {}", describe_run(run)));
    notes.join("\n") + "\n"
}

/// Failing and unscored cases, as long as they fit.
fn write_cases(run: &EvalRun<'_>, out: &mut String) {
    for (summary, results) in run.subjects() {
        let cases = ReportCases::for_subject(run, summary);
        let mut not_passing = cases.not_passing(results).peekable();
        if not_passing.peek().is_none() {
            continue;
        }
        let (failed, unscored) = (summary.failed, summary.unscored);
        let counts = if unscored > 0 {
            format!("{failed} failed, {unscored} unscored")
        } else {
            format!("{failed} failed")
        };
        out.push_str(&format!("\n### {}: {counts}\n\n", inline_code(&summary.subject)));
        let mut omitted = 0;
        for reported in not_passing {
            let details = case_details(&reported);
            if omitted > 0 || out.len() + details.len() > MAX_REPORT_CHARS {
                omitted += 1;
            } else {
                out.push_str(&details);
            }
        }
        if omitted > 0 {
            out.push_str(&format!("… and {omitted} more (see the .json report)\n"));
        }
    }
}

/// A collapsed section for a case that does not pass.
fn case_details(reported: &ReportedCase<'_>) -> String {
    let mark = if reported.verdict == Verdict::Fail { "✗" } else { "?" };
    let reasons = reported.reasons();
    let first = reasons.first().map(|why| format!(" · {}", inline_code(why.name))).unwrap_or_default();
    let mut out =
        format!("<details><summary>{mark} {}{first}</summary>\n\n", inline_code(&reported.display_name()));
    let reason_lines: Vec<String> =
        reasons.iter().map(|why| format!("{}: {}", why.name, why.reason)).collect();
    out += &fenced_block(&reason_lines.join("\n"));
    if let Some(text) = reported.describe_repeats() {
        out += &format!("\n{text}.\n");
    }
    if let Some(repairs) = reported.repaired_by() {
        out += &format!("\nPasses after repair: {}.\n", inline_code(&repairs.to_string()));
    }
    out += &format!("\nPrompt:\n\n{}", fenced_block(&reported.unshared_prompt()));
    if reported.verdict == Verdict::Fail {
        out += &format!("\nAnswer:\n\n{}", fenced_block(&reported.decisive.text));
    }
    out + "\n</details>\n\n"
}

/// A single-line text as HTML code. Characters with a meaning in Markdown become entities, so that the text
/// stays in its table cell. GitHub does not expand mentions in code.
fn inline_code(text: &str) -> String {
    let mut out = String::from("<code>");
    let mut last = ' ';
    for c in shorten(text, 200).chars().map(sanitize_char) {
        // Letters, digits, and separators are safe unless they form a URL.
        let plain = match c {
            ' ' | '-' | ',' | ':' => true,
            '/' => last != ':',
            '.' => !matches!(last, 'w' | 'W'),
            c => c.is_alphanumeric(),
        };
        if plain || !c.is_ascii() {
            out.push(c);
        } else {
            out += &format!("&#{};", u32::from(c));
        }
        last = c;
    }
    out + "</code>"
}

/// A code block whose fence is longer than any in the text.
fn fenced_block(text: &str) -> String {
    let text = strip_control_chars(text);
    let cut = text.chars().nth(MAX_TEXT_CHARS).is_some();
    let mut text: String = text.chars().take(MAX_TEXT_CHARS).collect();
    if cut {
        text.push('…');
    }
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}text\n{}\n{fence}\n", text.trim_end_matches('\n'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn code_escaping_cases() {
        assert_eq!(inline_code("sim-openai/gpt-5.4"), "<code>sim-openai/gpt-5.4</code>");
        assert_eq!(
            inline_code("a|b `c` <i> @you #1\nwww.x \0"),
            "<code>a&#124;b &#96;c&#96; &#60;i&#62; &#64;you &#35;1 www&#46;x \u{fffd}</code>"
        );
        assert_eq!(fenced_block("a\n```\nb"), "````text\na\n```\nb\n````\n");
        assert_eq!(fenced_block("x"), "```text\nx\n```\n");
    }

    proptest! {
        #[test]
        fn fenced_block_encloses_any_text(text in "[`~|<>@a\n\r\u{2028} ]{0,40}") {
            let block = fenced_block(&text);
            let mut lines = block.lines();
            let opening = lines.next().unwrap_or_default();
            let fence = opening.trim_end_matches("text");
            let inside: Vec<&str> = lines.collect();
            prop_assert_eq!(inside.last().copied(), Some(fence));
            for line in &inside[..inside.len() - 1] {
                prop_assert!(!line.contains(fence));
            }
        }

        #[test]
        fn inline_code_escapes_any_text(text in any::<String>()) {
            let code = inline_code(&text);
            let inside = code.strip_prefix("<code>").and_then(|code| code.strip_suffix("</code>")).unwrap_or("<");
            prop_assert!(!inside.contains(['<', '>', '|', '`', '@', '\n', '\r', '*', '_', '[', '\\'])
                    && !inside.contains("://"));
        }
    }
}
