//! Resolves graders before the first call: judges, embedding models, and programs.

use super::{CommandContext, CommandError, PreparedRun, call, max_cost};
use crate::cli::EvalArgs;
use crate::command::call_error::unusable_route_error;
use crate::command::embed::resolve_embedding_model;
use crate::command::grader_program;
use crate::config::Config;
use crate::eval::{
    Case, CaseFeature, GradableAnswer, GraderProgram, GraderTask, Graders, collect_grader_tasks,
};
use crate::route::{CallOptions, Router};

/// Collects the graders that the selected cases need, and warns about judges of the subject's own family.
pub(super) fn resolve_graders(
    context: &CommandContext,
    args: &EvalArgs,
    config: &Config,
    router: &Router,
    options: &CallOptions,
    prepared: &[PreparedRun],
) -> Result<Graders, CommandError> {
    let mut graders = Graders::default();
    let mut programs: Vec<GraderProgram> = Vec::new();
    for PreparedRun { set, cases, .. } in prepared {
        let add_location = |case: &Case, error: CommandError| {
            let location = format!("{}, case `{}`", set.path, case.metadata.id);
            CommandError { error: anyhow::anyhow!("{location}: {}", error.error), ..error }
        };
        let models = cases.grader_models();
        for case in cases.with_feature(CaseFeature::NeedsGrader) {
            if models.judges.iter().all(|judge| graders.judges.contains_key(judge))
                && models.embedders.iter().all(|model| graders.embedders.contains_key(model))
            {
                break;
            }
            for task in collect_grader_tasks(&case.assertions) {
                resolve_grader(context, config, router, options, &mut graders, &case, task)
                    .map_err(|error| add_location(&case, error))?;
            }
        }
        for case in cases.with_feature(CaseFeature::RunsProgram) {
            for task in collect_grader_tasks(&case.assertions) {
                let GraderTask::Program(program) = task else { continue };
                let same = |p: &GraderProgram| (&p.command, &p.folder) == (&program.command, &program.folder);
                if !programs.iter().any(same) {
                    check_program_allowed(args, program).map_err(|error| add_location(&case, error))?;
                    programs.push(program.clone());
                }
            }
        }
    }
    if !programs.is_empty() {
        graders.program_runner = Some(grader_program::build_program_runner(config));
    }
    for PreparedRun { cases, subjects, .. } in prepared {
        for subject in subjects {
            let same_family = graders.same_family_judges(&subject.route, &cases.grader_models().judges);
            if !same_family.is_empty() {
                let name = &subject.name;
                let message = match same_family.as_slice() {
                    [judge] if judge == name => format!("the judge {judge} would judge its own answers"),
                    [judge] => {
                        format!("the judge {judge} is from the same model family as {name} and may favor it")
                    }
                    all => format!(
                        "the judges {} are from the same model family as {name} and may favor it",
                        all.join(", ")
                    ),
                };
                context.console.warn(format_args!("{message}; use a judge from another family"));
            }
        }
    }
    Ok(graders)
}

/// Adds the judge or embedding model of a task, unless it is already present.
fn resolve_grader(
    context: &CommandContext,
    config: &Config,
    router: &Router,
    options: &CallOptions,
    graders: &mut Graders,
    case: &Case,
    task: &GraderTask,
) -> Result<(), CommandError> {
    let environment = context.environment();
    match task {
        GraderTask::Judge { judge, .. } if graders.judges.contains_key(judge) => {}
        GraderTask::Similarity { model, .. } if graders.embedders.contains_key(model) => {}
        GraderTask::Judge { question, judge, .. } => {
            let route = config
                .resolve_subject(judge, &environment)
                .map_err(|error| name_grader_in_error("judge", judge, error.into()))?
                .route;
            if let Some(error) = unusable_route_error(&route, "judge: sim-openai/judge") {
                return Err(name_grader_in_error("judge", judge, error));
            }
            let request = question.build_request(case, &GradableAnswer::text(""), None);
            let plan = router.plan(&route, &request, options);
            call::check_callable(context, &plan, false)
                .and_then(|()| max_cost::check_price_known(&plan))
                .map_err(|error| name_grader_in_error("judge", judge, error))?;
            graders.judges.insert(judge.clone(), route);
        }
        GraderTask::Similarity { model, .. } => {
            let target = resolve_embedding_model(config, &environment, model)
                .and_then(|target| {
                    max_cost::check_embedding_price_known(&target, options.run_budget.as_ref())
                        .map(|()| target)
                })
                .map_err(|error| name_grader_in_error("embedding model", model, error))?;
            graders.embedders.insert(model.clone(), target);
        }
        GraderTask::Program(_) => {}
    }
    Ok(())
}

fn name_grader_in_error(what: &str, name: &str, error: CommandError) -> CommandError {
    CommandError { error: anyhow::anyhow!("{what} `{name}`: {}", error.error), ..error }
}

/// Checks that the program exists and that `--allow-exec` permits it.
fn check_program_allowed(args: &EvalArgs, program: &GraderProgram) -> Result<(), CommandError> {
    let command_line = program.command.join(" ");
    if !args.allow_exec {
        return Err(CommandError::usage(format!("`exec` is not allowed to run `{command_line}`"))
            .with_hint("review the set and the programs it runs, then add --allow-exec"));
    }
    match grader_program::resolve_program(program) {
        Ok(_) => Ok(()),
        Err(why) => Err(CommandError::usage(format!("`exec`: {why}"))
            .with_hint("use a path relative to the set's folder, or the name of a program on $PATH")),
    }
}
