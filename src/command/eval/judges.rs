//! Who is asked about answers: judges, models that make vectors, programs. All of it is found out before the first call.

use super::{CommandError, Context, Prepared, call, money};
use crate::cli::EvalArgs;
use crate::command::embed::embedder;
use crate::command::program;
use crate::config::Config;
use crate::eval::{Case, Feature, Graded, Jury, Program, Task, tasks};
use crate::route::{Caller, Router};

/// Puts everybody together whom the chosen cases ask, and says who judges his own family.
pub(super) fn assemble(
    context: &Context,
    args: &EvalArgs,
    config: &Config,
    router: &Router,
    prepared: &[Prepared],
) -> Result<Jury, CommandError> {
    let mut jury = Jury::default();
    let mut programs: Vec<Program> = Vec::new();
    for Prepared { set, cases, .. } in prepared {
        let placed = |case: &Case, error: CommandError| {
            let place = format!("{}, case `{}`", set.path, case.head.id);
            CommandError { error: anyhow::anyhow!("{place}: {}", error.error), ..error }
        };
        let asked = cases.asked_models();
        for case in cases.with(Feature::Judged) {
            if asked.judges.iter().all(|judge| jury.judges.contains_key(judge))
                && asked.embedders.iter().all(|model| jury.embedders.contains_key(model))
            {
                break;
            }
            for task in tasks(&case.assertions) {
                add(context, config, router, &mut jury, &case, task).map_err(|error| placed(&case, error))?;
            }
        }
        for case in cases.with(Feature::Runs) {
            for task in tasks(&case.assertions) {
                let Task::Run(program) = task else { continue };
                let same = |p: &Program| (&p.command, &p.folder) == (&program.command, &program.folder);
                if !programs.iter().any(same) {
                    allowed(args, program).map_err(|error| placed(&case, error))?;
                    programs.push(program.clone());
                }
            }
        }
    }
    if !programs.is_empty() {
        jury.programs = Some(program::runner(config));
    }
    for Prepared { cases, subjects, .. } in prepared {
        for subject in subjects {
            let kin = jury.kin(&subject.route, &cases.asked_models().judges);
            if !kin.is_empty() {
                context.console.warn(format_args!(
                    "{} is judged by {}, of its own family: judges are kinder to their own; name one of another family",
                    subject.name,
                    kin.join(", ")
                ));
            }
        }
    }
    Ok(jury)
}

/// Adds the model that a task asks, where it is not there yet.
fn add(
    context: &Context,
    config: &Config,
    router: &Router,
    jury: &mut Jury,
    case: &Case,
    task: &Task,
) -> Result<(), CommandError> {
    let environment = context.environment();
    match task {
        Task::Ask { judge, .. } if jury.judges.contains_key(judge) => {}
        Task::Similar { model, .. } if jury.embedders.contains_key(model) => {}
        Task::Ask { question, judge, .. } => {
            let route =
                config.subject(judge, &environment).map_err(|error| of("judge", judge, error.into()))?.route;
            let request = question.request(case, &Graded::text(""), None);
            let plan = router.plan(&route, &request, &Caller::default());
            call::check_callable(context, &route, &plan, false)
                .and_then(|()| money::check_priced(&plan, router.purse()))
                .map_err(|error| of("judge", judge, error))?;
            jury.judges.insert(judge.clone(), route);
        }
        Task::Similar { model, .. } => {
            let target = embedder(config, &environment, model)
                .and_then(|target| money::check_vectors_priced(&target, router.purse()).map(|()| target))
                .map_err(|error| of("embedding model", model, error))?;
            jury.embedders.insert(model.clone(), target);
        }
        Task::Run(_) => {}
    }
    Ok(())
}

fn of(what: &str, name: &str, error: CommandError) -> CommandError {
    CommandError { error: anyhow::anyhow!("the {what} `{name}`: {}", error.error), ..error }
}

/// Whether a program may be run, and is there.
fn allowed(args: &EvalArgs, program: &Program) -> Result<(), CommandError> {
    let words = program.command.join(" ");
    if !args.allow_exec {
        return Err(CommandError::usage(format!("`exec` would run `{words}`, which nobody has allowed"))
            .hint("read the set and what it runs, then add --allow-exec"));
    }
    match program::find(program) {
        Ok(_) => Ok(()),
        Err(why) => Err(CommandError::usage(format!("`exec`: {why}"))
            .hint("paths begin at the set's folder; a program without a slash is looked for on $PATH")),
    }
}
