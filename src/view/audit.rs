//! What an audit of a golden set found.

use std::collections::BTreeMap;

use super::Room;
use super::format::{counted, hanging, harmless};
use super::table::{natural, table};
use crate::eval::{Audit, CaseAudit, Mutation, Right, Set, Verdict};

/// A set with what its audit found.
#[derive(Clone, Debug)]
pub struct Audited {
    /// The set.
    pub set: Set,
    /// What was found.
    pub audit: Audit,
    /// Why it is not good enough; none where it is.
    pub reasons: Vec<String>,
}

/// Cases shown for each kind of finding, unless more was asked for.
const SHOWN: usize = 5;

/// What the uses of an assertion are good for together, by its name.
#[derive(Debug, Default)]
pub(super) struct Use {
    /// How often it stands in a case that has a reference.
    pub(super) uses: usize,
    /// How many of these only a real call could answer.
    pub(super) silent: usize,
    /// How many mutants it judged, and how many of them it caught.
    pub(super) tried: usize,
    pub(super) caught: usize,
    /// How many of these nothing else caught.
    pub(super) alone: usize,
    /// How many of those that judged mutants caught none.
    pub(super) idle: usize,
}

/// The assertions of an audit, by name.
pub(super) fn uses(audit: &Audit) -> BTreeMap<&str, Use> {
    let mut uses: BTreeMap<&str, Use> = BTreeMap::new();
    for (case, assertion) in
        audit.cases.iter().flat_map(|case| case.assertions.iter().map(move |a| (case, a)))
    {
        let entry = uses.entry(&assertion.name).or_default();
        entry.uses += 1;
        entry.silent += usize::from(assertion.of_reference == Verdict::Unscored);
        entry.caught += assertion.caught;
        entry.alone += assertion.alone;
        let judged = if assertion.of_reference == Verdict::Pass { case.mutants.len() } else { 0 };
        entry.tried += judged;
        entry.idle += usize::from(judged > 0 && assertion.caught == 0);
    }
    uses
}

/// What was left out of one kind, by reason.
pub(super) fn left_out(audit: &Audit, mutation: Mutation) -> BTreeMap<&'static str, usize> {
    let mut reasons = BTreeMap::new();
    for (_, reason) in audit.cases.iter().flat_map(|case| &case.left_out).filter(|(m, _)| *m == mutation) {
        *reasons.entry(*reason).or_default() += 1;
    }
    reasons
}

/// The tables of one set, then each finding with the cases that it is about.
pub fn audit_table(audited: &Audited, room: Room, verbose: bool) -> String {
    let Audited { set, audit, reasons } = audited;
    let with = audit.cases.iter().filter(|case| case.reference != Right::None).count();
    let passing = audit.cases.iter().filter(|case| case.reference == Right::Passes).count();
    let pass = if passing == 1 { "passes its" } else { "pass their" };
    let line = |words: &str| hanging(words, room.line);
    let head = format!("{} · audit of {}, nobody was asked", set.name, counted(audit.cases.len(), "case"));
    let mut out = line(&head) + &line(&format!("references: {passing} of {with} {pass} own assertions"));
    let tried = || audit.cases.iter().filter(|case| !case.mutants.is_empty());
    let sound = tried().filter(|case| case.missed().next().is_none()).count();
    let catch = if sound == 1 { "catches" } else { "catch" };
    out += &line(&format!("mutants: {sound} of {} {catch} every one", counted(tried().count(), "case")));
    out += &mutants(audit, room);
    out += &assertions(audit, room);
    out += &reasons_left_out(audit, room);
    let list = Listing { room, shown: if verbose { usize::MAX } else { SHOWN } };
    let failing: Vec<String> = audit
        .failing()
        .map(|(case, failed)| {
            let why = failed.iter().map(|f| format!("\n      {}: {}", f.name, harmless(&f.reason)));
            format!("{}{}", case.case, why.collect::<String>())
        })
        .collect();
    out += &list.lines("references that fail", &failing);
    let anything = audit.cases.iter().filter(|case| case.passes_anything());
    out +=
        &list.names("cases that would pass anything", &anything.map(|c| c.case.as_str()).collect::<Vec<_>>());
    out += &list.lines("mutants that pass", &missed(audit, verbose));
    let duplicates = audit.duplicates.iter().map(|group| {
        let end = if group.same_reference { "" } else { " (with different references)" };
        format!("{}{end}", group.cases.join(", "))
    });
    out += &list.lines("cases that ask the same", &duplicates.collect::<Vec<_>>());
    out += &list.names("not audited for want of a reference", &audit.unauditable(&Right::None));
    out +=
        &list.names("not audited, since only a real call could answer", &audit.unauditable(&Right::Silent));
    if reasons.is_empty() {
        return out + "audit: passed\n";
    }
    reasons.iter().fold(out, |out, reason| out + &line(&format!("audit: FAILED: {reason}")))
}

fn share(counted: usize, caught: usize) -> String {
    if counted == 0 { "–".to_owned() } else { format!("{:.3}", caught as f64 / counted as f64) }
}

fn mutants(audit: &Audit, room: Room) -> String {
    let row = |name: &str, (counted, caught): (usize, usize), left: usize| {
        let share = share(counted, caught);
        vec![name.to_owned(), counted.to_string(), caught.to_string(), share, left.to_string()]
    };
    let left = |mutation| left_out(audit, mutation).values().sum::<usize>();
    let each = |mutation: Mutation| row(mutation.name(), audit.count(Some(mutation)), left(mutation));
    let mut rows: Vec<Vec<String>> = Mutation::ALL.into_iter().map(each).collect();
    rows.push(row("all", audit.count(None), Mutation::ALL.into_iter().map(left).sum()));
    tabled(&["mutant", "tried", "caught", "share", "left out"], rows, room)
}

fn assertions(audit: &Audit, room: Room) -> String {
    let uses = uses(audit);
    let row = |(name, found): (&&str, &Use)| {
        let share = share(found.tried, found.caught);
        let figures = [found.uses, found.silent, found.tried, found.caught].map(|n| n.to_string());
        let rest = [share, found.alone.to_string(), found.idle.to_string()];
        [(*name).to_owned()].into_iter().chain(figures).chain(rest).collect()
    };
    let header = ["assertion", "uses", "left out", "tried", "caught", "share", "alone", "idle"];
    let table = tabled(&header, uses.iter().map(row).collect(), room);
    let silent: usize = uses.values().map(|found| found.silent).sum();
    let note = match silent {
        0 => String::new(),
        1 => "1 assertion was left out: only a real call could answer it".to_owned(),
        more => format!("{more} assertions were left out: only a real call could answer them"),
    };
    table + &hanging(&note, room.line)
}

/// Rows of figures behind a name: a table, or lines where there is no room for one.
fn tabled(header: &[&str], rows: Vec<Vec<String>>, room: Room) -> String {
    if natural(header, &rows) <= room.table {
        let numbers: Vec<usize> = (1..header.len()).collect();
        let mut table = table(room.table, header, &numbers);
        table.add_rows(rows);
        return format!("{table}\n");
    }
    let line = |row: Vec<String>| {
        let mut cells = header.iter().zip(row);
        let name = cells.next().map(|(_, name)| name).unwrap_or_default();
        let figures: Vec<String> = cells.map(|(head, figure)| format!("{head} {figure}")).collect();
        hanging(&format!("{name}: {}", figures.join(", ")), room.line)
    };
    rows.into_iter().map(line).collect()
}

fn reasons_left_out(audit: &Audit, room: Room) -> String {
    let mut out = String::new();
    for mutation in Mutation::ALL {
        let mut reasons: Vec<(&str, usize)> = left_out(audit, mutation).into_iter().collect();
        reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        for (reason, count) in reasons {
            out += &hanging(&format!("  {mutation}: {count}, {reason}"), room.line);
        }
    }
    if out.is_empty() { out } else { format!("mutants left out:\n{out}") }
}

/// The cases with mutants that nobody noticed, those with most of them first.
fn missed(audit: &Audit, verbose: bool) -> Vec<String> {
    let mut cases: Vec<&CaseAudit> =
        audit.cases.iter().filter(|case| case.missed().next().is_some()).collect();
    cases.sort_by_key(|case| std::cmp::Reverse(case.missed().count()));
    let line = |case: &CaseAudit| {
        let mut kinds: BTreeMap<Mutation, usize> = BTreeMap::new();
        case.missed().for_each(|mutant| *kinds.entry(mutant.mutation).or_default() += 1);
        let kinds: Vec<String> = kinds
            .into_iter()
            .map(|(kind, count)| if count > 1 { format!("{kind} × {count}") } else { kind.to_string() })
            .collect();
        let texts = case.missed().filter(|_| verbose).map(|mutant| {
            let text = if mutant.text.is_empty() { "(nothing)" } else { &mutant.text };
            format!("\n      {}: {}", mutant.mutation, harmless(text).replace('\n', " "))
        });
        let (all, caught) = (case.mutants.len(), case.caught());
        let (kinds, texts) = (kinds.join(", "), texts.collect::<String>());
        format!("{}: {caught} of {all} caught; missed: {kinds}{texts}", case.case)
    };
    cases.into_iter().map(line).collect()
}

/// How findings are listed.
struct Listing {
    room: Room,
    shown: usize,
}

impl Listing {
    /// A heading and a line for each.
    fn lines(&self, heading: &str, lines: &[String]) -> String {
        if lines.is_empty() {
            return String::new();
        }
        let mut out = format!("{heading}:\n");
        for line in lines.iter().take(self.shown) {
            out += &hanging(&format!("  {line}"), self.room.line);
        }
        if lines.len() > self.shown {
            out += &format!("  … and {} more; -v shows all\n", lines.len() - self.shown);
        }
        out
    }

    /// Names on as few lines as they need.
    fn names(&self, heading: &str, names: &[&str]) -> String {
        if names.is_empty() {
            return String::new();
        }
        let all = names.len();
        let shown = names.iter().take(self.shown).copied().collect::<Vec<_>>().join(", ");
        let more = names.len().saturating_sub(self.shown);
        let rest = if more > 0 { format!(" … and {more} more; -v shows all") } else { String::new() };
        let names = hanging(&format!("  {shown}{rest}"), self.room.line);
        format!("{heading}: {all}\n{names}")
    }
}
