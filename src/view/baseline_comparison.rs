//! The comparison of subjects with a baseline, as a table, as lines, and as JSON.

use comfy_table::Table;
use serde_json::{Value, json};

use super::ConsoleWidths;
use super::format::{pluralize, wrap_with_indent};
use super::table::{new_table, unwrapped_width};
use crate::eval::statistics::{
    CompareError, ComparisonVerdict, MIN_CLUSTERS, MIN_PAIRS, PairedComparison, UnclearReason,
};
use crate::eval::{BaselineComparison, BaselineOrigin};

/// From this width on, a difference and its interval share one line.
const ONE_LINE_INTERVAL_WIDTH: usize = 120;

/// Case IDs listed without `-v`.
const MAX_NAMED_CASES: usize = 5;

/// The comparisons as a table, or as lines if it does not fit, with notes on each.
pub(super) fn comparison_section(
    comparisons: &[BaselineComparison],
    widths: ConsoleWidths,
    verbose: bool,
) -> String {
    let Some(first) = comparisons.first() else { return String::new() };
    let Some(table) = widest_table(comparisons, first, widths.table) else {
        return comparison_lines(comparisons, verbose)
            .iter()
            .map(|line| wrap_with_indent(line, widths.line))
            .collect();
    };
    let with = match comparisons {
        [_, ..] if matches!(first.origin, BaselineOrigin::History(_)) => {
            "earlier runs of each subject".to_owned()
        }
        _ => baseline_name(first),
    };
    let mut out =
        wrap_with_indent(&format!("paired comparison with {with}"), widths.line) + &format!("{table}\n");
    for comparison in comparisons {
        for line in describe_comparison(comparison, verbose) {
            out.push_str(&wrap_with_indent(&format!("{}: {line}", comparison.challenger), widths.line));
        }
    }
    out
}

/// The widest table that fits, if any.
fn widest_table(
    comparisons: &[BaselineComparison],
    first: &BaselineComparison,
    max_width: usize,
) -> Option<Table> {
    let share = format!("{}%", format_percent(1.0 - first.level.alpha()));
    let rates = format!("{}, baseline", first.metric.name());
    [max_width, max_width.min(ONE_LINE_INTERVAL_WIDTH - 1)].into_iter().find_map(|width| {
        let gap = if width < ONE_LINE_INTERVAL_WIDTH { "\n" } else { " " };
        let difference = format!("difference{gap}[{share} CI]");
        let mut header = vec!["challenger", "verdict", &difference, "p", "better", "worse", &rates];
        if width < ONE_LINE_INTERVAL_WIDTH {
            header.pop();
        }
        let mut rows: Vec<Vec<String>> =
            comparisons.iter().map(|comparison| comparison_row(comparison, gap)).collect();
        rows.iter_mut().for_each(|row| row.truncate(header.len()));
        (unwrapped_width(&header, &rows) <= max_width).then(|| {
            let mut table = new_table(width, &header, &[2, 3, 4, 5, 6]);
            table.add_rows(rows);
            table
        })
    })
}

fn comparison_row(comparison: &BaselineComparison, gap: &str) -> Vec<String> {
    let mut cells = vec![comparison.challenger.clone()];
    match &comparison.result {
        Err(_) => cells.extend(["not comparable", "–", "–", "–", "–", "–"].map(str::to_owned)),
        Ok(found) => {
            let (low, high) = found.interval;
            cells.extend([
                verdict_label(found.verdict).to_owned(),
                format!("{:+.3}{gap}[{low:+.3}, {high:+.3}]", found.difference),
                format_p_value(found.p_value),
                found.improved.len().to_string(),
                found.regressed.len().to_string(),
                format!("{:.3}, {:.3}", found.challenger, found.baseline),
            ]);
        }
    }
    cells
}

/// The comparisons and their notes, one per line.
pub(super) fn comparison_lines(comparisons: &[BaselineComparison], verbose: bool) -> Vec<String> {
    let mut lines = Vec::new();
    for comparison in comparisons {
        let name = &comparison.challenger;
        if let Ok(found) = &comparison.result {
            let (low, high) = found.interval;
            lines.push(format!(
                "{name} vs. {}: {}; {} {:.3} vs. {:.3}, difference {:+.3} [{low:+.3}, {high:+.3}] ({}% CI), p {}, {} better, {} worse",
                baseline_name(comparison),
                verdict_label(found.verdict),
                comparison.metric.name(),
                found.challenger,
                found.baseline,
                found.difference,
                format_percent(1.0 - comparison.level.alpha()),
                format_p_value(found.p_value),
                found.improved.len(),
                found.regressed.len(),
            ));
        }
        lines.extend(describe_comparison(comparison, verbose).iter().map(|line| format!("{name}: {line}")));
    }
    lines
}

/// Notes on a comparison.
fn describe_comparison(comparison: &BaselineComparison, verbose: bool) -> Vec<String> {
    let found = match &comparison.result {
        Ok(found) => found,
        Err(error) => return vec![error.to_string()],
    };
    let mut lines = Vec::new();
    if let BaselineOrigin::History(runs) = comparison.origin {
        lines.push(format!("compared with {}", pluralize(runs, "earlier run")));
    }
    if comparison.is_self_comparison() {
        lines.push("both sides contain the same answers".to_owned());
    }
    if comparison.is_unclear() {
        lines.push(describe_unclear(found));
    }
    if let Some(reason) = found.unclear_reason {
        lines.push(describe_unclear_reason(reason, found));
    }
    if let Some(rate) = found.false_trip_rate {
        lines.push(format!(
            "on a set like this one, an equally good model would exceed `max_drop` in {}% of runs",
            format_percent(rate)
        ));
    }
    if let Some(needed) = found.cases_needed.filter(|_| comparison.is_unclear()) {
        lines.push(format!(
            "detecting a drop of `max_drop` with 80% power needs about {needed} cases like these"
        ));
    }
    for (ids, what) in [(&found.regressed, "worse on"), (&found.improved, "better on")] {
        lines.extend(list_case_ids(ids, verbose).map(|names| format!("{what} {names}")));
    }
    if found.left_out > 0 {
        lines.push(format!("{} excluded: not scored on both sides", pluralize(found.left_out, "case")));
    }
    let baseline = &comparison.baseline;
    lines.extend(
        list_case_ids(&comparison.unpaired, verbose)
            .map(|names| format!("not compared (new, or changed since {baseline} was run): {names}")),
    );
    lines.extend(list_case_ids(&comparison.removed, verbose).map(|names| {
        format!("not compared (removed from the set, or changed since {baseline} was run): {names}")
    }));
    lines
}

fn describe_unclear(found: &PairedComparison) -> String {
    let detectable = match found.detectable {
        Some(difference) => format!("a difference of {difference:.3} is detectable with 80% power"),
        None => "no difference is detectable with 80% power".to_owned(),
    };
    format!(
        "no significant difference, and a drop of up to {:.3} cannot be ruled out; with {} like these, {detectable}",
        found.largest_drop,
        pluralize(found.pairs, "case")
    )
}

fn describe_unclear_reason(reason: UnclearReason, found: &PairedComparison) -> String {
    match reason {
        UnclearReason::FewPairs => {
            format!("a verdict on scores needs at least {MIN_PAIRS} cases, but there are {}", found.pairs)
        }
        UnclearReason::FewClusters => format!(
            "a verdict over clusters needs at least {MIN_CLUSTERS} clusters{}",
            found.clusters.map(|clusters| format!(", but there are {clusters}")).unwrap_or_default()
        ),
        UnclearReason::UnevenClusters => "cluster sizes are too uneven for a reliable verdict".to_owned(),
    }
}

/// `None` for an empty list.
fn list_case_ids(ids: &[String], verbose: bool) -> Option<String> {
    let shown = if verbose { ids.len() } else { MAX_NAMED_CASES };
    let names = ids.iter().take(shown).cloned().collect::<Vec<_>>().join(", ");
    let more = ids.len().saturating_sub(shown);
    let rest = if more > 0 { format!(" and {more} more (-v lists all)") } else { String::new() };
    (!ids.is_empty()).then(|| names + &rest)
}

fn baseline_name(comparison: &BaselineComparison) -> String {
    let name = &comparison.baseline;
    match &comparison.origin {
        BaselineOrigin::SameRun => name.clone(),
        BaselineOrigin::Run(id) => format!("{name} in run {id}"),
        BaselineOrigin::File(path) => format!("{name} in {path}"),
        BaselineOrigin::History(runs) => format!("{name} in {}", pluralize(*runs, "earlier run")),
    }
}

fn verdict_label(verdict: ComparisonVerdict) -> &'static str {
    match verdict {
        ComparisonVerdict::Equivalent => "equivalent",
        ComparisonVerdict::Better => "better",
        ComparisonVerdict::Worse => "WORSE",
        ComparisonVerdict::Unclear => "unclear",
    }
}

fn format_p_value(p: f64) -> String {
    if p < 0.001 { "<0.001".to_owned() } else { format!("{p:.3}") }
}

/// A share in percent, with at most one decimal.
fn format_percent(share: f64) -> String {
    let percent = (share * 1000.0).round() / 10.0;
    format!("{percent}")
}

pub(super) fn comparison_json(comparison: &BaselineComparison) -> Value {
    let (run, file, runs) = match &comparison.origin {
        BaselineOrigin::SameRun => (None, None, None),
        BaselineOrigin::Run(id) => (Some(id), None, None),
        BaselineOrigin::File(path) => (None, Some(path), None),
        BaselineOrigin::History(runs) => (None, None, Some(*runs)),
    };
    let found = comparison.result.as_ref();
    let figures = found.ok();
    json!({
        "baseline": comparison.baseline, "baseline_run": run, "baseline_file": file, "baseline_runs": runs,
        "challenger": comparison.challenger, "metric": comparison.metric,
        "confidence": 1.0 - comparison.level.alpha(),
        "pairs": figures.map(|f| f.pairs), "left_out": figures.map(|f| f.left_out),
        "clusters": figures.and_then(|f| f.clusters), "method": figures.map(|f| f.method),
        "baseline_value": figures.map(|f| f.baseline), "challenger_value": figures.map(|f| f.challenger),
        "difference": figures.map(|f| f.difference), "interval": figures.map(|f| [f.interval.0, f.interval.1]),
        "p_value": figures.map(|f| f.p_value), "verdict": figures.map(|f| f.verdict),
        "doubt": figures.and_then(|f| f.unclear_reason), "largest_drop": figures.map(|f| f.largest_drop),
        "detectable": figures.and_then(|f| f.detectable), "cases_needed": figures.and_then(|f| f.cases_needed),
        "false_trip_rate": figures.and_then(|f| f.false_trip_rate),
        "clearable_margin": figures.map(|f| f.clearable_margin),
        "improved": figures.map(|f| &f.improved), "regressed": figures.map(|f| &f.regressed),
        "unpaired": comparison.unpaired, "gone": comparison.removed,
        "error": found.err().map(ToString::to_string), "error_code": found.err().map(CompareError::code),
    })
}
