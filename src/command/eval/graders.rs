//! Who is asked about answers: judges, models that make vectors, programs. All of it is found out before the first call.

use super::{CommandContext, CommandError, PreparedRun, call, max_cost};
use crate::cli::EvalArgs;
use crate::command::embed::resolve_embedding_model;
use crate::command::grader_program;
use crate::config::Config;
use crate::eval::{
    Case, CaseFeature, GradableAnswer, GraderProgram, GraderTask, Graders, collect_grader_tasks,
};
use crate::route::{Router, RoutingHints};

/// Puts everybody together whom the chosen cases ask, and says who judges his own family.
pub(super) fn resolve_graders(
    context: &CommandContext,
    args: &EvalArgs,
    config: &Config,
    router: &Router,
    prepared: &[PreparedRun],
) -> Result<Graders, CommandError> {
    let mut jury = Graders::default();
    let mut programs: Vec<GraderProgram> = Vec::new();
    for PreparedRun { set, cases, .. } in prepared {
        let placed = |case: &Case, error: CommandError| {
            let place = format!("{}, case `{}`", set.path, case.metadata.id);
            CommandError { error: anyhow::anyhow!("{place}: {}", error.error), ..error }
        };
        let asked = cases.grader_models();
        for case in cases.with_feature(CaseFeature::NeedsGrader) {
            if asked.judges.iter().all(|judge| jury.judges.contains_key(judge))
                && asked.embedders.iter().all(|model| jury.embedders.contains_key(model))
            {
                break;
            }
            for task in collect_grader_tasks(&case.assertions) {
                resolve_grader(context, config, router, &mut jury, &case, task)
                    .map_err(|error| placed(&case, error))?;
            }
        }
        for case in cases.with_feature(CaseFeature::RunsProgram) {
            for task in collect_grader_tasks(&case.assertions) {
                let GraderTask::Program(program) = task else { continue };
                let same = |p: &GraderProgram| (&p.command, &p.folder) == (&program.command, &program.folder);
                if !programs.iter().any(same) {
                    check_program_allowed(args, program).map_err(|error| placed(&case, error))?;
                    programs.push(program.clone());
                }
            }
        }
    }
    if !programs.is_empty() {
        jury.program_runner = Some(grader_program::build_program_runner(config));
    }
    for PreparedRun { cases, subjects, .. } in prepared {
        for subject in subjects {
            let kin = jury.same_family_judges(&subject.route, &cases.grader_models().judges);
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
fn resolve_grader(
    context: &CommandContext,
    config: &Config,
    router: &Router,
    jury: &mut Graders,
    case: &Case,
    task: &GraderTask,
) -> Result<(), CommandError> {
    let environment = context.environment();
    match task {
        GraderTask::Judge { judge, .. } if jury.judges.contains_key(judge) => {}
        GraderTask::Similarity { model, .. } if jury.embedders.contains_key(model) => {}
        GraderTask::Judge { question, judge, .. } => {
            let route = config
                .resolve_subject(judge, &environment)
                .map_err(|error| name_grader_in_error("judge", judge, error.into()))?
                .route;
            let request = question.build_request(case, &GradableAnswer::text(""), None);
            let plan = router.plan(&route, &request, &RoutingHints::default());
            call::check_callable(context, &route, &plan, false)
                .and_then(|()| max_cost::check_price_known(&plan, router.run_budget()))
                .map_err(|error| name_grader_in_error("judge", judge, error))?;
            jury.judges.insert(judge.clone(), route);
        }
        GraderTask::Similarity { model, .. } => {
            let target = resolve_embedding_model(config, &environment, model)
                .and_then(|target| {
                    max_cost::check_embedding_price_known(&target, router.run_budget()).map(|()| target)
                })
                .map_err(|error| name_grader_in_error("embedding model", model, error))?;
            jury.embedders.insert(model.clone(), target);
        }
        GraderTask::Program(_) => {}
    }
    Ok(())
}

fn name_grader_in_error(what: &str, name: &str, error: CommandError) -> CommandError {
    CommandError { error: anyhow::anyhow!("the {what} `{name}`: {}", error.error), ..error }
}

/// Whether a program may be run, and is there.
fn check_program_allowed(args: &EvalArgs, program: &GraderProgram) -> Result<(), CommandError> {
    let words = program.command.join(" ");
    if !args.allow_exec {
        return Err(CommandError::usage(format!("`exec` would run `{words}`, which nobody has allowed"))
            .with_hint("read the set and what it runs, then add --allow-exec"));
    }
    match grader_program::resolve_program(program) {
        Ok(_) => Ok(()),
        Err(why) => Err(CommandError::usage(format!("`exec`: {why}"))
            .with_hint("paths begin at the set's folder; a program without a slash is looked for on $PATH")),
    }
}
