//! The judge of `compare`.

use super::context::{Context, time_limit};
use super::outcome::CommandError;
use super::{call, money};
use crate::chat::{Request, Response};
use crate::cli::{CompareArgs, PromptArgs};
use crate::config::{Config, Subject};
use crate::eval::{Contest, Contested, contest, contested, same_family};
use crate::route::{CallOptions, CallRecord, Caller, Router};
use crate::view::Judged;

/// A judge who can be asked, and by what.
pub(super) struct Judge<'a> {
    subject: Subject,
    contest: Contest<'a>,
    /// The models of its own family.
    kin: Vec<String>,
}

impl<'a> Judge<'a> {
    /// The judge that was asked for, checked before anything is sent.
    pub(super) fn prepared(
        context: &Context,
        args: &'a CompareArgs,
        config: &Config,
        router: &Router,
        asked: &'a Request,
        subjects: &[Subject],
    ) -> Result<Option<Self>, CommandError> {
        let Some(name) = &args.judge else { return Ok(None) };
        let named = |error: CommandError| CommandError {
            error: anyhow::anyhow!("the judge `{name}`: {}", error.error),
            ..error
        };
        let subject = config.subject(name, &context.environment()).map_err(|error| named(error.into()))?;
        let contest = Contest { asked, rubric: args.rubric.as_deref() };
        let nothing = Response::text("");
        let request = self::contest(contest, &nothing, &nothing);
        let plan = router.plan(&subject.route, &request, &Caller::default());
        call::check_callable(context, &subject.route, &plan, false)
            .and_then(|()| money::check_priced(&plan, router.purse()))
            .map_err(named)?;
        let kin = subjects.iter().filter(|own| same_family(&own.route, &subject.route));
        let kin: Vec<String> = kin.map(|own| own.name.clone()).collect();
        // Where it is kin to all, it favours nobody.
        let partial = !kin.is_empty() && kin.len() < subjects.len();
        if partial {
            context.console.warn(format_args!(
                "{name} is of one family with {}: judges are kinder to their own; name one of another family",
                kin.join(", ")
            ));
        }
        Ok(Some(Self { subject, contest, kin: if partial { kin } else { Vec::new() } }))
    }

    /// Has all answers held against each other.
    pub(super) async fn judges<'r>(
        &'r self,
        context: &Context,
        args: &PromptArgs,
        router: &Router,
        records: impl Iterator<Item = &CallRecord>,
    ) -> Result<Judged<'r>, CommandError> {
        let answers: Vec<(usize, &Response)> = records
            .enumerate()
            .filter_map(|(n, record)| Some((n, &record.outcome.as_ref().ok()?.response)))
            .collect();
        let options = CallOptions {
            id: context.new_id(),
            requested_model: self.subject.name.clone(),
            stream: !args.no_stream,
            timeout: args.timeout.as_deref().map(time_limit).transpose()?,
            caller: Caller::default(),
        };
        let contested: Contested =
            contested(router, &self.subject.route, &options, self.contest, &answers).await;
        Ok(Judged { judge: &self.subject.name, rubric: self.contest.rubric, kin: &self.kin, contested })
    }
}
