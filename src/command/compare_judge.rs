//! The judge of `compare`.

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

/// A judge who can be asked, and by what.
pub(super) struct CompareJudge<'a> {
    subject: ResolvedSubject,
    question: PairwiseQuestion<'a>,
    /// The models of its own family.
    same_family_subjects: Vec<String>,
}

impl<'a> CompareJudge<'a> {
    /// The judge that was asked for, checked before anything is sent.
    pub(super) fn prepare(
        context: &CommandContext,
        args: &'a CompareArgs,
        config: &Config,
        router: &Router,
        asked: &'a Request,
        subjects: &[ResolvedSubject],
    ) -> Result<Option<Self>, CommandError> {
        let Some(name) = &args.judge else { return Ok(None) };
        let named = |error: CommandError| CommandError {
            error: anyhow::anyhow!("the judge `{name}`: {}", error.error),
            ..error
        };
        let subject =
            config.resolve_subject(name, &context.environment()).map_err(|error| named(error.into()))?;
        let contest = PairwiseQuestion { request: asked, rubric: args.rubric.as_deref() };
        let nothing = Response::from_text("");
        let request = self::build_pairwise_request(contest, &nothing, &nothing);
        let plan = router.plan(&subject.route, &request, &RoutingHints::default());
        call::check_callable(context, &subject.route, &plan, false)
            .and_then(|()| max_cost::check_price_known(&plan, router.run_budget()))
            .map_err(named)?;
        let kin = subjects.iter().filter(|own| has_common_family(&own.route, &subject.route));
        let kin: Vec<String> = kin.map(|own| own.name.clone()).collect();
        // Where it is kin to all, it favours nobody.
        let partial = !kin.is_empty() && kin.len() < subjects.len();
        if partial {
            context.console.warn(format_args!(
                "{name} is of one family with {}: judges are kinder to their own; name one of another family",
                kin.join(", ")
            ));
        }
        Ok(Some(Self {
            subject,
            question: contest,
            same_family_subjects: if partial { kin } else { Vec::new() },
        }))
    }

    /// Has all answers held against each other.
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
        let contested: PairwiseResults =
            judge_all_pairs(router, &self.subject.route, &options, self.question, &answers).await;
        Ok(PairwiseView {
            judge: &self.subject.name,
            rubric: self.question.rubric,
            same_family_subjects: &self.same_family_subjects,
            results: contested,
        })
    }
}
