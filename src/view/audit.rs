//! The console output of `slalom audit`.

use std::collections::BTreeMap;

use super::ConsoleWidths;
use super::format::{pluralize, strip_control_chars, wrap_with_indent};
use super::table::{new_table, unwrapped_width};
use crate::eval::{AuditReport, CaseAudit, GoldenSet, MutantOmission, Mutation, ReferenceVerdict, Verdict};

#[derive(Clone, Debug)]
pub(crate) struct AuditedSet {
    pub set: GoldenSet,
    pub audit: AuditReport,
    /// Why the set does not pass; empty if it does.
    pub failures: Vec<AuditFailure>,
}

#[derive(Clone, Debug)]
pub(crate) enum AuditFailure {
    /// The number of references that fail their own assertions.
    FailingReferences(usize),
    /// Every assertion needs a model call.
    NoMutantGraded,
    TooFewCaught {
        caught: usize,
        tried: usize,
        share: f64,
        min_caught: f64,
    },
}

impl AuditFailure {
    /// The value in JSON output.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::FailingReferences(_) => "failing_references",
            Self::NoMutantGraded => "no_mutant_graded",
            Self::TooFewCaught { .. } => "min_caught",
        }
    }

    pub(super) fn describe(&self) -> String {
        match self {
            Self::FailingReferences(count) => {
                let verb = if *count == 1 { "fails its" } else { "fail their" };
                format!("{} {verb} own assertions", pluralize(*count, "reference"))
            }
            Self::NoMutantGraded => "no mutant could be graded without a model call".to_owned(),
            Self::TooFewCaught { caught, tried, share, min_caught } => {
                format!("{caught} of {tried} mutants caught ({share:.3}), below the minimum of {min_caught}")
            }
        }
    }
}

/// Cases listed for each kind of finding without `-v`.
const DEFAULT_SHOWN_CASES: usize = 5;

/// Totals of all uses of one assertion.
#[derive(Debug, Default)]
pub(super) struct AssertionUsage {
    /// Uses in cases that have a reference.
    pub(super) uses: usize,
    /// Uses that need a model call.
    pub(super) unscored: usize,
    /// Mutants tried, and how many of them were caught.
    pub(super) mutants: usize,
    pub(super) caught: usize,
    /// Mutants that only this assertion caught.
    pub(super) caught_only_here: usize,
    /// Uses that were tried on mutants and caught none.
    pub(super) caught_none: usize,
}

pub(super) fn count_assertion_usage(audit: &AuditReport) -> BTreeMap<&str, AssertionUsage> {
    let mut uses: BTreeMap<&str, AssertionUsage> = BTreeMap::new();
    for (case, assertion) in
        audit.cases.iter().flat_map(|case| case.assertions.iter().map(move |a| (case, a)))
    {
        let entry = uses.entry(&assertion.name).or_default();
        entry.uses += 1;
        entry.unscored += usize::from(assertion.reference_verdict == Verdict::Unscored);
        entry.caught += assertion.caught_count;
        entry.caught_only_here += assertion.caught_alone;
        let tried = if assertion.reference_verdict == Verdict::Pass { case.mutants.len() } else { 0 };
        entry.mutants += tried;
        entry.caught_none += usize::from(tried > 0 && assertion.caught_count == 0);
    }
    uses
}

/// How many mutants are missing for each reason, with its words, ordered by them.
pub(super) fn count_skipped_by_reason(
    audit: &AuditReport,
    mutation: Mutation,
) -> BTreeMap<&'static str, (MutantOmission, usize)> {
    let mut reasons = BTreeMap::new();
    for (_, why) in audit.cases.iter().flat_map(|case| &case.left_out).filter(|(m, _)| *m == mutation) {
        reasons.entry(describe_omission(mutation, *why)).or_insert((*why, 0)).1 += 1;
    }
    reasons
}

pub(super) fn describe_omission(mutation: Mutation, why: MutantOmission) -> &'static str {
    match (why, mutation) {
        (MutantOmission::SameAsReference, _) => "identical to the reference after normalization",
        (MutantOmission::Duplicate, _) => "identical to another mutant of the case",
        (MutantOmission::NeedsModelCall, _) => "needs a model call to grade",
        (MutantOmission::NotApplicable, Mutation::Empty) => "the reference is empty",
        (MutantOmission::NotApplicable, Mutation::Cut) => "too short to truncate into a clearly wrong answer",
        (MutantOmission::NotApplicable, Mutation::Refusal) => "the reference is itself a refusal",
        (MutantOmission::NotApplicable, Mutation::WrongLabel) => "no label with an alternative in the set",
        (MutantOmission::NotApplicable, Mutation::SwappedNumbers) => "no number to swap",
        (MutantOmission::NotApplicable, Mutation::DroppedKey) => "no JSON key to drop",
        (MutantOmission::NotApplicable, Mutation::OtherAnswer) => {
            "no other case with a clearly different answer"
        }
        (MutantOmission::NotApplicable, Mutation::OffTopic) => "no words",
        (MutantOmission::NotApplicable, Mutation::Fenced) => "no assertion that requires bare JSON",
    }
}

pub(crate) fn audit_table(audited: &AuditedSet, widths: ConsoleWidths, verbose: bool) -> String {
    let AuditedSet { set, audit, failures } = audited;
    let with_reference =
        audit.cases.iter().filter(|case| case.reference != ReferenceVerdict::Missing).count();
    let passing = audit.cases.iter().filter(|case| case.reference == ReferenceVerdict::Passes).count();
    let line = |text: &str| wrap_with_indent(text, widths.line);
    let head =
        format!("{} · audit of {}, no model was called", set.name, pluralize(audit.cases.len(), "case"));
    let mut out =
        line(&head) + &line(&format!("references that pass their assertions: {passing} of {with_reference}"));
    let tried = || audit.cases.iter().filter(|case| !case.mutants.is_empty());
    let all_caught = tried().filter(|case| case.missed_mutants().next().is_none()).count();
    out += &line(&format!("cases that catch every mutant: {all_caught} of {}", tried().count()));
    out += &mutant_table(audit, widths);
    out += &assertion_table(audit, widths);
    out += &describe_skipped_mutations(audit, widths);
    let list = FindingList { widths, shown: if verbose { usize::MAX } else { DEFAULT_SHOWN_CASES } };
    let failing: Vec<String> = audit
        .failing_references()
        .map(|(case, failed)| {
            let why =
                failed.iter().map(|f| format!("\n      {}: {}", f.name, strip_control_chars(&f.reason)));
            format!("{}{}", case.case, why.collect::<String>())
        })
        .collect();
    out += &list.render_lines("references that fail", &failing);
    let accepting = audit.cases.iter().filter(|case| case.passes_anything());
    out += &list.render_names(
        "cases that accept any answer",
        &accepting.map(|c| c.case.as_str()).collect::<Vec<_>>(),
    );
    out += &list.render_lines("mutants not caught", &describe_missed_mutants(audit, verbose));
    let duplicates = audit.duplicates.iter().map(|group| {
        let end = if group.has_same_reference { "" } else { " (with different references)" };
        format!("{}{end}", group.cases.join(", "))
    });
    out += &list.render_lines("duplicate cases", &duplicates.collect::<Vec<_>>());
    out += &list.render_names("not audited (no reference)", &audit.case_ids_with(&ReferenceVerdict::Missing));
    out += &list
        .render_names("not audited (needs a model call)", &audit.case_ids_with(&ReferenceVerdict::Unscored));
    if failures.is_empty() {
        return out + "audit: passed\n";
    }
    failures.iter().fold(out, |out, failure| out + &line(&format!("audit: FAILED: {}", failure.describe())))
}

fn format_caught_share(counted: usize, caught: usize) -> String {
    if counted == 0 { "–".to_owned() } else { format!("{:.3}", caught as f64 / counted as f64) }
}

fn mutant_table(audit: &AuditReport, widths: ConsoleWidths) -> String {
    let row = |name: &str, (counted, caught): (usize, usize), skipped: usize| {
        let share = format_caught_share(counted, caught);
        vec![name.to_owned(), counted.to_string(), caught.to_string(), share, skipped.to_string()]
    };
    let skipped =
        |mutation| count_skipped_by_reason(audit, mutation).values().map(|(_, count)| count).sum::<usize>();
    let each =
        |mutation: Mutation| row(mutation.name(), audit.count_mutants(Some(mutation)), skipped(mutation));
    let mut rows: Vec<Vec<String>> = Mutation::ALL.into_iter().map(each).collect();
    rows.push(row("all", audit.count_mutants(None), Mutation::ALL.into_iter().map(skipped).sum()));
    table_or_lines(&["mutant", "tried", "caught", "share", "skipped"], rows, widths)
}

fn assertion_table(audit: &AuditReport, widths: ConsoleWidths) -> String {
    let uses = count_assertion_usage(audit);
    let row = |(name, found): (&&str, &AssertionUsage)| {
        let share = format_caught_share(found.mutants, found.caught);
        let figures = [found.uses, found.unscored, found.mutants, found.caught].map(|n| n.to_string());
        let rest = [share, found.caught_only_here.to_string(), found.caught_none.to_string()];
        [(*name).to_owned()].into_iter().chain(figures).chain(rest).collect()
    };
    let header = ["assertion", "uses", "skipped", "tried", "caught", "share", "caught alone", "caught none"];
    let table = table_or_lines(&header, uses.iter().map(row).collect(), widths);
    let unscored: usize = uses.values().map(|found| found.unscored).sum();
    let note = match unscored {
        0 => String::new(),
        1 => "1 assertion was skipped: it needs a model call".to_owned(),
        more => format!("{more} assertions were skipped: they need a model call"),
    };
    table + &wrap_with_indent(&note, widths.line)
}

/// A table, or one line per row if the table does not fit.
fn table_or_lines(header: &[&str], rows: Vec<Vec<String>>, widths: ConsoleWidths) -> String {
    if unwrapped_width(header, &rows) <= widths.table {
        let numbers: Vec<usize> = (1..header.len()).collect();
        let mut table = new_table(widths.table, header, &numbers);
        table.add_rows(rows);
        return format!("{table}\n");
    }
    let line = |row: Vec<String>| {
        let mut cells = header.iter().zip(row);
        let name = cells.next().map(|(_, name)| name).unwrap_or_default();
        let figures: Vec<String> = cells.map(|(head, figure)| format!("{head} {figure}")).collect();
        wrap_with_indent(&format!("{name}: {}", figures.join(", ")), widths.line)
    };
    rows.into_iter().map(line).collect()
}

fn describe_skipped_mutations(audit: &AuditReport, widths: ConsoleWidths) -> String {
    let mut out = String::new();
    for mutation in Mutation::ALL {
        let counts = count_skipped_by_reason(audit, mutation).into_iter();
        let mut reasons: Vec<(&str, usize)> = counts.map(|(reason, (_, count))| (reason, count)).collect();
        reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        for (reason, count) in reasons {
            out += &wrap_with_indent(&format!("  {mutation}: {count}, {reason}"), widths.line);
        }
    }
    if out.is_empty() { out } else { format!("mutants skipped:\n{out}") }
}

/// Cases with missed mutants, those with the most first.
fn describe_missed_mutants(audit: &AuditReport, verbose: bool) -> Vec<String> {
    let mut cases: Vec<&CaseAudit> =
        audit.cases.iter().filter(|case| case.missed_mutants().next().is_some()).collect();
    cases.sort_by_key(|case| std::cmp::Reverse(case.missed_mutants().count()));
    let line = |case: &CaseAudit| {
        let mut kinds: BTreeMap<Mutation, usize> = BTreeMap::new();
        case.missed_mutants().for_each(|mutant| *kinds.entry(mutant.mutation).or_default() += 1);
        let kinds: Vec<String> = kinds
            .into_iter()
            .map(|(kind, count)| if count > 1 { format!("{kind} × {count}") } else { kind.to_string() })
            .collect();
        let texts = case.missed_mutants().filter(|_| verbose).map(|mutant| {
            let text = if mutant.text.is_empty() { "(empty)" } else { &mutant.text };
            format!("\n      {}: {}", mutant.mutation, strip_control_chars(text).replace('\n', " "))
        });
        let (all, caught) = (case.mutants.len(), case.caught_count());
        let (kinds, texts) = (kinds.join(", "), texts.collect::<String>());
        format!("{}: {caught} of {all} caught; missed: {kinds}{texts}", case.case)
    };
    cases.into_iter().map(line).collect()
}

struct FindingList {
    widths: ConsoleWidths,
    shown: usize,
}

impl FindingList {
    /// A heading and one line for each finding.
    fn render_lines(&self, heading: &str, lines: &[String]) -> String {
        if lines.is_empty() {
            return String::new();
        }
        let mut out = format!("{heading}:\n");
        for line in lines.iter().take(self.shown) {
            out += &wrap_with_indent(&format!("  {line}"), self.widths.line);
        }
        if lines.len() > self.shown {
            out += &format!("  … and {} more; -v shows all\n", lines.len() - self.shown);
        }
        out
    }

    /// A heading and a list of names.
    fn render_names(&self, heading: &str, names: &[&str]) -> String {
        if names.is_empty() {
            return String::new();
        }
        let all = names.len();
        let shown = names.iter().take(self.shown).copied().collect::<Vec<_>>().join(", ");
        let more = names.len().saturating_sub(self.shown);
        let rest = if more > 0 { format!(" … and {more} more; -v shows all") } else { String::new() };
        let names = wrap_with_indent(&format!("  {shown}{rest}"), self.widths.line);
        format!("{heading}: {all}\n{names}")
    }
}
