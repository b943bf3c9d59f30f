//! `slalom audit`: checks golden sets themselves, without any model call. Depends on `config`, `eval`, and
//! `view`.

use super::case_selection::CaseSelection;
use super::context::CommandContext;
use super::outcome::{CommandError, CommandOutcome, check_printed};
use crate::cli::AuditArgs;
use crate::config::{FileAccess, load_golden_set};
use crate::eval::{AuditReport, Case, audit_set};
use crate::view::{AuditFailure, AuditedSet, audit_json, audit_table};

pub(super) fn run(context: &CommandContext, args: &AuditArgs) -> Result<CommandOutcome, CommandError> {
    if !(0.0..=1.0).contains(&args.min_caught) {
        let message = format!("invalid --min-caught `{}`: must be between 0 and 1", args.min_caught);
        return Err(CommandError::usage(message).with_hint("use 0.95 for 95%"));
    }
    let selection = CaseSelection::from_args(&args.cases);
    let mut audited = Vec::new();
    for path in &args.sets {
        // An audit sends nothing, so the set may read any file.
        let set = load_golden_set(path, FileAccess::Unrestricted)?;
        let all: Vec<Case> = set.cases.iter().collect();
        let cases: Vec<Case> = selection.select_cases(&set)?.iter().collect();
        if cases.iter().all(|case| case.reference.is_none()) {
            let message = format!("{}: none of the selected cases has a reference", set.path);
            return Err(CommandError::usage(message)
                .with_hint("add `reference:` to the cases: an audit needs correct answers"));
        }
        let audit = audit_set(&all, &cases, args.seed);
        let failures = find_failures(&audit, args.min_caught);
        audited.push(AuditedSet { set, audit, failures });
    }
    let outcome = match audited.iter().all(|audited| audited.failures.is_empty()) {
        true => CommandOutcome::Success,
        false => CommandOutcome::GateFailed,
    };
    let text = if args.json {
        format!("{}\n", audit_json(&audited, args.min_caught, args.seed, outcome.exit_code()))
    } else {
        let (widths, verbose) = (context.console.widths(), context.console.is_verbose());
        let tables: Vec<String> =
            audited.iter().map(|audited| audit_table(audited, widths, verbose)).collect();
        tables.join("\n")
    };
    check_printed(context.console.print(&text), outcome)
}

/// Why the audit failed; empty if it passed.
fn find_failures(audit: &AuditReport, min_caught: f64) -> Vec<AuditFailure> {
    let mut failures = Vec::new();
    match audit.failing_references().count() {
        0 => {}
        count => failures.push(AuditFailure::FailingReferences(count)),
    }
    let (tried, caught) = audit.count_mutants(None);
    match audit.caught_share() {
        // Without any graded mutant, the quality of the set is unknown.
        None => failures.push(AuditFailure::NoMutantGraded),
        Some(share) if share < min_caught => {
            failures.push(AuditFailure::TooFewCaught { caught, tried, share, min_caught });
        }
        Some(_) => {}
    }
    failures
}
