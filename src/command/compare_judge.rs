//! `compare --judge`: a model that judges each pair of answers.

use super::context::{CommandContext, parse_timeout};
use super::outcome::CommandError;
use super::{call, max_cost};
use crate::chat::{Request, Response};
use crate::cli::{CompareArgs, RequestArgs};
use crate::config::{Config, ResolvedSubject};
use crate::eval::{
    PairwiseQuestion, PairwiseResults, build_pairwise_request, has_common_family, judge_all_pairs,
};
use crate::route::{CallOptions, CallRecord, Router, RoutingHints};
use crate::view::PairwiseView;

pub(super) struct CompareJudge<'a> {
    subject: ResolvedSubject,
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
        let plan = router.plan(&subject.route, &judge_request, &RoutingHints::default());
        call::check_callable(context, &subject.route, &plan, false)
            .and_then(|()| max_cost::check_price_known(&plan, router.run_budget()))
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
            question,
            same_family_subjects: if is_biased { same_family } else { Vec::new() },
        }))
    }

    pub(super) async fn judge_pairs<'r>(
        &'r self,
        context: &CommandContext,
        args: &RequestArgs,
        router: &Router,
        records: impl Iterator<Item = &CallRecord>,
    ) -> Result<PairwiseView<'r>, CommandError> {
        let answers: Vec<(usize, &Response)> = records
            .enumerate()
            .filter_map(|(n, record)| Some((n, &record.outcome.as_ref().ok()?.response)))
            .collect();
        let options = CallOptions {
            id: context.new_id(),
            requested_model: self.subject.name.clone(),
            stream: !args.no_stream,
            timeout: args.timeout.as_deref().map(parse_timeout).transpose()?,
            hints: RoutingHints::default(),
        };
        let results: PairwiseResults =
            judge_all_pairs(router, &self.subject.route, &options, self.question, &answers).await;
        Ok(PairwiseView {
            judge: &self.subject.name,
            rubric: self.question.rubric,
            same_family_subjects: &self.same_family_subjects,
            results,
        })
    }
}
