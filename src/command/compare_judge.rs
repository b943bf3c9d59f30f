//! `compare --judge`: a model that judges each pair of answers.

use super::context::CommandContext;
use super::observer::CommandObserver;
use super::outcome::CommandError;
use super::{call, max_cost};
use crate::chat::{Request, Response};
use crate::cli::CompareArgs;
use crate::config::{Config, ResolvedSubject};
use crate::eval::{
    PairwiseQuestion, PairwiseResults, build_pairwise_request, has_common_family, judge_all_pairs,
};
use crate::route::{CallOptions, CallRecord, Router};
use crate::view::PairwiseView;

pub(super) struct CompareJudge<'a> {
    subject: ResolvedSubject,
    options: CallOptions,
    question: PairwiseQuestion<'a>,
    /// Compared models of the judge's own family; empty if all of them are.
    same_family_subjects: Vec<String>,
}

impl<'a> CompareJudge<'a> {
    /// Checks, before anything is sent, that the judge can be called. `None` without `--judge`.
    pub(super) fn prepare(
        context: &CommandContext,
        args: &'a CompareArgs,
        config: &Config,
        router: &Router,
        options: CallOptions,
        request: &'a Request,
        subjects: &[ResolvedSubject],
    ) -> Result<Option<Self>, CommandError> {
        let Some(name) = &args.judge else { return Ok(None) };
        let with_judge_name = |error: CommandError| CommandError {
            error: anyhow::anyhow!("judge `{name}`: {}", error.error),
            ..error
        };
        let subject = config
            .resolve_subject(name, &context.environment())
            .map_err(|error| with_judge_name(error.into()))?;
        let question = PairwiseQuestion { request, rubric: args.rubric.as_deref() };
        let empty = Response::from_text("");
        let judge_request = self::build_pairwise_request(question, &empty, &empty);
        let options = CallOptions { requested_model: subject.name.clone(), ..options };
        let plan = router.plan(&subject.route, &judge_request, &options);
        call::check_callable(context, &plan, false)
            .and_then(|()| max_cost::check_price_known(&plan))
            .map_err(with_judge_name)?;
        let same_family =
            subjects.iter().filter(|compared| has_common_family(&compared.route, &subject.route));
        let same_family: Vec<String> = same_family.map(|compared| compared.name.clone()).collect();
        // A judge of the same family as all subjects has no favorite.
        let is_biased = !same_family.is_empty() && same_family.len() < subjects.len();
        if is_biased {
            let message = match same_family.as_slice() {
                [own] if *own == subject.name => format!("the judge {name} would judge its own answers"),
                all => {
                    format!(
                        "the judge {name} is from the same model family as {} and may favor it",
                        all.join(", ")
                    )
                }
            };
            context.console.warn(format_args!("{message}; use a judge from another family"));
        }
        Ok(Some(Self {
            subject,
            options,
            question,
            same_family_subjects: if is_biased { same_family } else { Vec::new() },
        }))
    }

    pub(super) async fn judge_pairs<'r>(
        &'r self,
        router: &Router,
        observer: &CommandObserver,
        records: impl Iterator<Item = &CallRecord>,
    ) -> PairwiseView<'r> {
        let answers: Vec<(usize, &Response)> = records
            .enumerate()
            .filter_map(|(n, record)| Some((n, &record.outcome.as_ref().ok()?.response)))
            .collect();
        let judge = &self.subject.route;
        let results: PairwiseResults =
            judge_all_pairs(router, judge, &self.options, observer, self.question, &answers).await;
        PairwiseView {
            judge: &self.subject.name,
            rubric: self.question.rubric,
            same_family_subjects: &self.same_family_subjects,
            results,
        }
    }
}
