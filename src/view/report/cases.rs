//! The cases of a run, prepared for reports.

use std::borrow::Cow;
use std::cell::{Cell, OnceCell};
use std::rc::Rc;

use super::EvalRun;
use crate::chat::{Request, Role};
use crate::eval::statistics::MinPass;
use crate::eval::{
    self, AggregateOutcome, AssertionResult, Case, CaseResult, RepairSet, SubjectSummary, Verdict,
    aggregate_full_results,
};
use crate::view::eval_failures::describe_case_failure;

/// One result, or a case with all its repeats if `min_pass` decides it.
pub(in crate::view) struct ReportedCase<'a> {
    pub(in crate::view) verdict: Verdict,
    pub(in crate::view) score: Option<f64>,
    /// Never empty.
    pub(in crate::view) results: &'a [CaseResult],
    /// The first result with the case's verdict.
    pub(in crate::view) decisive: &'a CaseResult,
    /// The repeat, from 1, if there are several and each counts separately.
    pub(in crate::view) repeat: Option<u32>,
    /// How many repeats pass and how many must, if `min_pass` decides.
    pub(in crate::view) passed_of_required: Option<(usize, u32)>,
    /// Index of its case in the run.
    index: Option<usize>,
    prompts: Rc<SubjectPrompts>,
}

/// Shorter shared prefixes are not cut off.
const MIN_SHARED_BYTES: usize = 60;

/// A failed assertion or a failure class, with its reason.
#[derive(PartialEq)]
pub(in crate::view) struct CaseReason<'a> {
    pub(in crate::view) name: &'a str,
    pub(in crate::view) reason: Cow<'a, str>,
}

/// In larger sets, shared prompts are not searched for.
const MAX_COMPARED_CASES: usize = 10_000;

/// The prompts of one subject.
struct SubjectPrompts {
    cases: eval::Cases,
    /// Prompts of the first [`MAX_COMPARED_CASES`] cases.
    prompts: OnceCell<Vec<String>>,
    /// Length of the prefix that all prompts share; `None` if the requests differ in more than the prompt's
    /// text.
    shared_bytes: OnceCell<Option<usize>>,
}

impl SubjectPrompts {
    fn prompts(&self) -> &[String] {
        let first =
            || self.cases.iter().take(MAX_COMPARED_CASES).map(|case| case.request.last_user_text()).collect();
        self.prompts.get_or_init(first)
    }

    fn shared(&self) -> Option<usize> {
        let found = || {
            if self.cases.len() > MAX_COMPARED_CASES {
                None
            } else {
                shared_prefix_bytes(self.cases.iter().map(|case| case.request))
            }
        };
        *self.shared_bytes.get_or_init(found)
    }
}

/// The cases of a run with the prompts of one subject.
pub(in crate::view) struct ReportCases<'a> {
    run: EvalRun<'a>,
    prompts: Rc<SubjectPrompts>,
    /// The last index found. Results are in the order of cases, so the search starts here.
    last_index: Cell<usize>,
}

impl<'a> ReportCases<'a> {
    pub(in crate::view) fn for_subject(run: &EvalRun<'a>, summary: &SubjectSummary) -> Self {
        let all = run.set.cases_for_subject(&summary.subject, run.cases);
        let prompts = SubjectPrompts { cases: all, prompts: OnceCell::new(), shared_bytes: OnceCell::new() };
        Self { run: *run, prompts: Rc::new(prompts), last_index: Cell::new(0) }
    }

    /// The part of the prompt that all cases share and that is omitted from each.
    pub(in crate::view) fn shared_prompt(&self) -> Option<String> {
        let first = self.prompts.cases.first()?.request;
        let mut text = first.last_user_text();
        text.truncate(self.prompts.shared()?);
        let system = first.system_prompt.as_ref().map(|system| format!("[system]\n{system}\n[user]\n"));
        let preface = system.unwrap_or_default() + &text;
        (!preface.is_empty()).then_some(preface)
    }

    /// A subject's results, or its cases if `min_pass` decides.
    pub(in crate::view) fn reported(
        &self,
        results: &'a [CaseResult],
    ) -> impl Iterator<Item = ReportedCase<'a>> {
        let each = if self.run.min_pass.is_none() { results } else { &[] };
        let by_repeats = self.run.min_pass.into_iter().flat_map(move |min_pass| {
            let decided = aggregate_full_results(results, min_pass);
            decided.filter_map(move |(of, decided)| self.report_case(of, decided, min_pass))
        });
        each.iter().map(|result| self.report_answer(result)).chain(by_repeats)
    }

    pub(in crate::view) fn not_passing(
        &self,
        results: &'a [CaseResult],
    ) -> impl Iterator<Item = ReportedCase<'a>> {
        self.reported(results).filter(|reported| reported.verdict != Verdict::Pass)
    }

    /// The prompt from where it differs from all others.
    pub(in crate::view) fn distinct_prompt(&self, reported: &ReportedCase<'a>) -> String {
        let Some(own) = reported.case() else { return String::new() };
        let mut text = own.request.last_user_text();
        let others = self.prompts.prompts().iter().enumerate().filter(|(at, _)| Some(*at) != reported.index);
        let longest = others.map(|(_, other)| common_prefix_bytes(&text, other)).max().unwrap_or(0);
        match back_to_word_start(&text, longest) {
            0 => text,
            start if start == text.len() => text,
            start => format!("… {}", text.split_off(start)),
        }
    }

    fn report_case(
        &self,
        results: &'a [CaseResult],
        outcome: AggregateOutcome,
        min_pass: MinPass,
    ) -> Option<ReportedCase<'a>> {
        let first = results.first()?;
        Some(ReportedCase {
            verdict: outcome.verdict,
            score: outcome.score,
            results,
            decisive: results.iter().find(|result| result.verdict == outcome.verdict).unwrap_or(first),
            repeat: None,
            passed_of_required: Some((
                results.iter().filter(|result| result.verdict == Verdict::Pass).count(),
                min_pass.required,
            )),
            index: self.find_index(first),
            prompts: Rc::clone(&self.prompts),
        })
    }

    fn report_answer(&self, result: &'a CaseResult) -> ReportedCase<'a> {
        ReportedCase {
            verdict: result.verdict,
            score: result.score,
            results: std::slice::from_ref(result),
            decisive: result,
            repeat: (self.run.repeats > 1).then_some(result.repeat + 1),
            passed_of_required: None,
            index: self.find_index(result),
            prompts: Rc::clone(&self.prompts),
        }
    }

    fn find_index(&self, result: &CaseResult) -> Option<usize> {
        let all = &self.prompts.cases;
        let last = self.last_index.get();
        let mut indices = (last..all.len()).chain(0..last);
        let at = indices.find(|at| all.head(*at).is_some_and(|head| *head.id == *result.case_id))?;
        self.last_index.set(at);
        Some(at)
    }
}

impl<'a> ReportedCase<'a> {
    pub(in crate::view) fn case(&self) -> Option<Case> {
        self.prompts.cases.get(self.index?)
    }

    pub(in crate::view) fn id(&self) -> &'a str {
        &self.decisive.case_id
    }

    /// The case's ID, with the repeat if there are several.
    pub(in crate::view) fn display_name(&self) -> String {
        self.repeat.map_or_else(|| self.id().to_owned(), |nth| format!("{} #{nth}", self.id()))
    }

    /// Why it does not pass: the failure of the call, or every failed assertion.
    pub(in crate::view) fn reasons(&self) -> Vec<CaseReason<'a>> {
        failure_reasons(self.decisive)
    }

    /// How many repeats pass, if `min_pass` decides.
    pub(in crate::view) fn describe_repeats(&self) -> Option<String> {
        let (passed, required) = self.passed_of_required?;
        Some(format!("{passed} of {} answers pass, {required} required", self.results.len()))
    }

    /// The repairs after which the answer would pass.
    pub(in crate::view) fn repaired_by(&self) -> Option<RepairSet> {
        self.decisive.repaired_by
    }

    /// System prompt and messages, each under its role; a single prompt without a heading.
    pub(in crate::view) fn full_prompt(&self) -> String {
        self.case().map(|case| whole_prompt(&case.request)).unwrap_or_default()
    }

    /// The prompt without the part that all cases share.
    pub(in crate::view) fn unshared_prompt(&self) -> String {
        let Some(Case { request, .. }) = self.case() else { return String::new() };
        match self.prompts.shared() {
            None => whole_prompt(&request),
            Some(0) => request.last_user_text(),
            Some(shared) => format!("… {}", request.last_user_text().split_off(shared)),
        }
    }
}

fn whole_prompt(request: &Request) -> String {
    if request.system_prompt.is_none() && request.messages.len() == 1 {
        return request.last_user_text();
    }
    let mut turns: Vec<String> =
        request.system_prompt.iter().map(|system| format!("[system]\n{system}")).collect();
    turns.extend(request.messages.iter().map(|message| {
        let role = if message.role == Role::User { "user" } else { "assistant" };
        format!("[{role}]\n{}", message.joined_text())
    }));
    turns.join("\n")
}

/// Length of the prefix that all prompts share, up to a word; `None` if the requests differ in more than the
/// text of a single message.
fn shared_prefix_bytes(mut cases: impl Iterator<Item = Request>) -> Option<usize> {
    let first = cases.next()?;
    if first.messages.len() != 1 {
        return None;
    }
    let text = first.last_user_text();
    let (mut length, mut shortest, mut count) = (text.len(), text.len(), 1);
    for request in cases {
        if request.messages.len() != 1 || request.system_prompt != first.system_prompt {
            return None;
        }
        let own = request.last_user_text();
        length = length.min(common_prefix_bytes(&text, &own));
        shortest = shortest.min(own.len());
        count += 1;
    }
    let length = if count == 1 { 0 } else { back_to_word_start(&text, length) };
    // Never cut off a whole prompt.
    Some(if shortest == length { 0 } else { length })
}

fn common_prefix_bytes(a: &str, b: &str) -> usize {
    a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count()
}

/// Moves an offset back to the start of a line or a word; 0 if less than [`MIN_SHARED_BYTES`] remain.
fn back_to_word_start(text: &str, mut length: usize) -> usize {
    while !text.is_char_boundary(length) {
        length -= 1;
    }
    let before = &text[..length];
    let line = before.rfind('\n').map_or(0, |at| at + 1);
    let word = before.rfind(char::is_whitespace).map_or(0, |at| at + 1);
    let start = if length - line < MIN_SHARED_BYTES { line } else { word };
    if start < MIN_SHARED_BYTES { 0 } else { start }
}

/// Why a result does not pass, without repetition.
pub(in crate::view) fn failure_reasons<'a>(result: &'a CaseResult) -> Vec<CaseReason<'a>> {
    if let Some(failure) = &result.failure {
        let reason = describe_case_failure(failure).into();
        return vec![CaseReason { name: failure.class().as_str(), reason }];
    }
    let failed = result.assertions.iter().filter(|assertion| assertion.verdict == Verdict::Fail);
    let to_reason = |assertion: &'a AssertionResult| CaseReason {
        name: &assertion.name,
        reason: (&assertion.reason).into(),
    };
    let mut reasons: Vec<CaseReason<'a>> = failed.map(to_reason).collect();
    // Every JSON assertion gives the same reason for an answer that is not JSON.
    reasons.dedup();
    reasons
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requests_for_prompts(prompts: &[&str]) -> impl Iterator<Item = Request> {
        prompts.iter().map(|prompt| Request::from_prompt(*prompt))
    }

    #[test]
    fn shared_prefix_cases() {
        let head = "é".repeat(40);
        let [one, two, three] = ["one", "onto", "é"].map(|word| format!("{head}\n{word}"));
        assert_eq!(shared_prefix_bytes(requests_for_prompts(&[&one, &two])), Some(81), "cut at a word");
        assert_eq!(shared_prefix_bytes(requests_for_prompts(&[&one, &two, &three])), Some(81));
        let line = format!("{head}\nthe same words ");
        assert_eq!(
            shared_prefix_bytes(requests_for_prompts(&[&format!("{line}one"), &format!("{line}two")])),
            Some(81),
            "cut at a line"
        );
        assert_eq!(shared_prefix_bytes(requests_for_prompts(&[&one, "è"])), Some(0));
        assert_eq!(shared_prefix_bytes(requests_for_prompts(&["a b", "a c"])), Some(0), "too short");
        assert_eq!(
            shared_prefix_bytes(requests_for_prompts(&[&one, &format!("{head}\n")])),
            Some(0),
            "a prompt would be empty"
        );
        assert_eq!(shared_prefix_bytes(requests_for_prompts(&[&one])), Some(0));
        assert_eq!(shared_prefix_bytes(requests_for_prompts(&[])), None);
        let other = Request { system_prompt: Some("Be brief.".into()), ..Request::from_prompt(&*two) };
        assert_eq!(shared_prefix_bytes([Request::from_prompt(&*one), other].into_iter()), None);
    }
}
