//! `slalom eval --audit`: the sets themselves, without a call to any model.

use super::choice::Selection;
use super::{CommandError, Context, Outcome};
use crate::chat::counted;
use crate::cli::EvalArgs;
use crate::command::outcome::printed;
use crate::config::{FileAccess, load_set};
use crate::eval::{Audit, Case, audit as audit_of};
use crate::view::{Audited, audit_json, audit_table};

pub(super) fn audit(context: &Context, args: &EvalArgs) -> Result<Outcome, CommandError> {
    if !(0.0..=1.0).contains(&args.min_caught) {
        let message = format!("--min-caught must be between 0 and 1, not {}", args.min_caught);
        return Err(CommandError::usage(message).hint("write 0.95 for 95 %"));
    }
    if !args.output.is_empty() {
        return Err(CommandError::usage("--audit writes no reports: -o is for what models answer")
            .hint("`--audit --json` prints all that it finds; `> FILE` keeps it"));
    }
    let selection = Selection::typed(args, None);
    let mut audited = Vec::new();
    for path in &args.sets {
        let set = load_set(path, FileAccess::Unrestricted)?;
        let all: Vec<Case> = set.cases.iter().collect();
        let cases: Vec<Case> = selection.cases(&set)?.iter().collect();
        if cases.iter().all(|case| case.reference.is_none()) {
            let message = format!("{}: no case that is chosen has a reference", set.path);
            return Err(CommandError::usage(message)
                .hint("an audit goes by right answers: add `reference:` to the cases"));
        }
        let audit = audit_of(&all, &cases, args.audit_seed);
        let reasons = reasons(&audit, args.min_caught);
        audited.push(Audited { set, audit, reasons });
    }
    let outcome = match audited.iter().all(|audited| audited.reasons.is_empty()) {
        true => Outcome::Done,
        false => Outcome::GateFailed,
    };
    let text = if args.json {
        format!("{}\n", audit_json(&audited, args.min_caught, args.audit_seed, outcome.code()))
    } else {
        let (room, verbose) = (context.console.room(), context.console.is_verbose());
        let tables: Vec<String> = audited.iter().map(|audited| audit_table(audited, room, verbose)).collect();
        tables.join("\n")
    };
    printed(context.console.out(&text), outcome)
}

/// What is not as it should be, in words.
fn reasons(audit: &Audit, least: f64) -> Vec<String> {
    let mut reasons = Vec::new();
    let failing = audit.failing().count();
    if failing > 0 {
        let verb = if failing == 1 { "fails its" } else { "fail their" };
        reasons.push(format!("{} {verb} own assertions", counted(failing, "reference")));
    }
    let (all, caught) = audit.count(None);
    match audit.share() {
        // Nobody can say that such a set is any good.
        None => reasons.push("no mutant could be judged without a call".to_owned()),
        Some(share) if share < least => {
            reasons.push(format!("{caught} of {all} mutants are caught, {share:.3}, under {least}"));
        }
        Some(_) => {}
    }
    reasons
}
