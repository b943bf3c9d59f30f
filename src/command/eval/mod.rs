//! `slalom eval`: golden sets against models or routes.

mod audit;
mod baseline;
mod choice;
mod drift;
mod dry_run;
mod execute;
mod gate;
mod github;
mod hold;
mod judges;
mod outputs;
mod prepare;
mod resume;
mod reweight;

use std::collections::HashMap;

use super::context::Context;
use super::outcome::{CommandError, Outcome};
use super::{call, money, simulator};
use crate::cli::EvalArgs;
use crate::config::load_set;
use crate::eval::{Set, subject_halves};
use baseline::Against;
use choice::Choice;
use drift::OnDrift;
use hold::Hold;
use prepare::{Prepared, prepare};

pub(super) async fn eval(context: &Context, args: EvalArgs) -> Result<Outcome, CommandError> {
    if args.audit {
        return audit::audit(context, &args);
    }
    let mut config = context.load_config()?;
    // Everything that can be checked is checked before the first call, for all sets.
    let sets: Vec<Set> =
        args.sets.iter().map(|path| load_set(path, config.file_access())).collect::<Result<_, _>>()?;
    outputs::check(context, &args, &sets)?;
    let on_drift = args.gate.on_drift.as_deref().map(|text| OnDrift::typed(text, &config)).transpose()?;
    let typed = |set: &Set| Choice::typed(context, &args, set, &config);
    let mut choices: Vec<Choice> = sets.iter().map(typed).collect::<Result<_, _>>()?;
    let resumed = match (&args.resume, sets.as_slice(), choices.as_mut_slice()) {
        (None, ..) => None,
        (Some(run), [set], [choice]) => Some(resume::find(context, &args, run, set, choice)?),
        (Some(_), ..) => {
            return Err(CommandError::usage("--resume goes on with one run, and so with one set")
                .hint("name the set whose run was cut short"));
        }
    };
    let named = choices.iter().flat_map(|choice| &choice.subjects);
    let mut named: Vec<String> = named.map(|name| subject_halves(name).0.to_owned()).collect();
    named.extend(sets.iter().flat_map(|set| set.cases.asked_models().judges.iter().cloned()));
    simulator::check_models(&config, named.iter().map(String::as_str))?;
    named.extend(sets.iter().flat_map(|set| set.cases.asked_models().embedders.iter().cloned()));
    let _simulator = simulator::start_if_named(context, &mut config, &named, || replies(&sets)).await?;
    let purse = money::purse(args.max_cost.as_deref())?;
    // One for all sets: what the run may cost, and how often anything is tried again, is counted over all of them.
    let router = context.router(&config).paying_from(purse).patient();
    let prepared: Vec<Prepared> = sets
        .into_iter()
        .zip(choices)
        .map(|(set, choice)| prepare(context, &args, &config, &router, set, choice))
        .collect::<Result<_, _>>()?;
    let jury = judges::assemble(context, &args, &config, &router, &prepared)?;
    if let Some(route) = &args.reweight {
        reweight::check(context, &config, route, &prepared)?;
    }
    if args.dry_run {
        return dry_run::show(context, &router, &jury, &prepared, args.json);
    }
    let resumed = match resumed {
        Some(row) => {
            let hold = Hold::take_up(context, router.health(), &row.id).await?;
            Some((row, hold))
        }
        None => None,
    };
    let executed = execute::execute(context, &args, &router, &jury, &prepared, resumed).await?;
    // Whoever reads the table may be gone, and a report may find no room: who is to be told is told all the same.
    let shown = outputs::show(context, &args, &prepared, &executed);
    if let (Some(route), [set], [run]) = (&args.reweight, &*prepared, &*executed.finished) {
        reweight::apply(context, &config, &jury, route, set, run);
    }
    if let Some(on_drift) = on_drift {
        on_drift.tell(context, &prepared, &executed.finished).await;
    }
    shown
}

/// What the simulator's models say: plain pairs of prompt and reply.
fn replies(sets: &[Set]) -> HashMap<String, String> {
    let asked =
        sets.iter().flat_map(|set| (0..set.prompts.len().max(1)).map(|prompt| set.cases.asked_by(prompt)));
    let mut replies = HashMap::new();
    for cases in asked {
        let pairs = cases.iter().map(|case| (case.request.last_user_text(), case.reference));
        replies.extend(pairs.filter_map(|(prompt, reference)| Some((prompt, reference?))));
    }
    replies
}
