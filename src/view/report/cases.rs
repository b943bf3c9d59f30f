//! The cases of a run as reports show them.

use std::cell::{Cell, OnceCell};
use std::rc::Rc;

use super::EvalRun;
use crate::chat::{Request, Role};
use crate::eval::statistics::MinPass;
use crate::eval::{
    self, AggregateOutcome, Case, CaseResult, RepairSet, SubjectSummary, Verdict, aggregate_full_results,
};

/// An answer; or a case with all its answers, where so many of them decide it.
pub(in crate::view) struct ReportedCase<'a> {
    pub(in crate::view) verdict: Verdict,
    pub(in crate::view) score: Option<f64>,
    /// The answers, never none.
    pub(in crate::view) results: &'a [CaseResult],
    /// The first that says why the verdict is what it is.
    pub(in crate::view) decisive: &'a CaseResult,
    /// Which of a case's answers it is, from 1, where there are several and each counts by itself.
    pub(in crate::view) repeat: Option<u32>,
    /// How many answers pass and how many must, where that decides.
    pub(in crate::view) passed_of_required: Option<(usize, u32)>,
    /// The place of its case among these.
    index: Option<usize>,
    prompts: Rc<SubjectPrompts>,
}

/// So many bytes that all prompts begin with are shown in each.
const MIN_SHARED_BYTES: usize = 60;

/// One reason for a verdict: the assertion or the class of failure, and what it says.
#[derive(PartialEq)]
pub(in crate::view) struct CaseReason<'a> {
    pub(in crate::view) name: &'a str,
    pub(in crate::view) reason: &'a str,
}

/// Of a set with more cases than that nobody reads what all of them have in common.
const MAX_COMPARED_CASES: usize = 10_000;

/// What a subject was asked.
struct SubjectPrompts {
    cases: eval::Cases,
    /// The prompts of the first cases.
    prompts: OnceCell<Vec<String>>,
    /// How many bytes of its prompt are those of all cases, where they differ in nothing else.
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

/// The cases of a run as one of its subjects was asked them.
pub(in crate::view) struct ReportCases<'a> {
    run: EvalRun<'a>,
    asked: Rc<SubjectPrompts>,
    /// Where the last one was found: results come in the order of the cases.
    last_index: Cell<usize>,
}

impl<'a> ReportCases<'a> {
    pub(in crate::view) fn for_subject(run: &EvalRun<'a>, summary: &SubjectSummary) -> Self {
        let all = run.set.cases_for_subject(&summary.subject, run.cases);
        let asked = SubjectPrompts { cases: all, prompts: OnceCell::new(), shared_bytes: OnceCell::new() };
        Self { run: *run, asked: Rc::new(asked), last_index: Cell::new(0) }
    }

    /// What is asked in all cases, where that is left out of each.
    pub(in crate::view) fn shared_prompt(&self) -> Option<String> {
        let first = self.asked.cases.first()?.request;
        let mut text = first.last_user_text();
        text.truncate(self.asked.shared()?);
        let system = first.system_prompt.as_ref().map(|system| format!("[system]\n{system}\n[user]\n"));
        let preface = system.unwrap_or_default() + &text;
        (!preface.is_empty()).then_some(preface)
    }

    /// What is judged of a subject's results, in their order.
    pub(in crate::view) fn reported(
        &self,
        results: &'a [CaseResult],
    ) -> impl Iterator<Item = ReportedCase<'a>> {
        let each = if self.run.min_pass.is_none() { results } else { &[] };
        let by_repeats = self.run.min_pass.into_iter().flat_map(move |min_pass| {
            let decided = aggregate_full_results(results, min_pass);
            decided.filter_map(move |(of, decided)| self.from_repeats(of, decided, min_pass))
        });
        each.iter().map(|result| self.from_answer(result)).chain(by_repeats)
    }

    /// Those of them that do not pass.
    pub(in crate::view) fn not_passing(
        &self,
        results: &'a [CaseResult],
    ) -> impl Iterator<Item = ReportedCase<'a>> {
        self.reported(results).filter(|judged| judged.verdict != Verdict::Pass)
    }

    /// What a case asks, from where no other case asks the same: what tells it from its neighbours.
    pub(in crate::view) fn distinct_prompt(&self, judged: &ReportedCase<'a>) -> String {
        let Some(own) = judged.case() else { return String::new() };
        let mut text = own.request.last_user_text();
        let others = self.asked.prompts().iter().enumerate().filter(|(at, _)| Some(*at) != judged.index);
        let longest = others.map(|(_, other)| common_prefix_bytes(&text, other)).max().unwrap_or(0);
        match back_to_word_start(&text, longest) {
            0 => text,
            start if start == text.len() => text,
            start => format!("… {}", text.split_off(start)),
        }
    }

    fn from_repeats(
        &self,
        of: &'a [CaseResult],
        decided: AggregateOutcome,
        min_pass: MinPass,
    ) -> Option<ReportedCase<'a>> {
        let first = of.first()?;
        Some(ReportedCase {
            verdict: decided.verdict,
            score: decided.score,
            results: of,
            decisive: of.iter().find(|result| result.verdict == decided.verdict).unwrap_or(first),
            repeat: None,
            passed_of_required: Some((
                of.iter().filter(|result| result.verdict == Verdict::Pass).count(),
                min_pass.required,
            )),
            index: self.find_index(first),
            prompts: Rc::clone(&self.asked),
        })
    }

    fn from_answer(&self, result: &'a CaseResult) -> ReportedCase<'a> {
        ReportedCase {
            verdict: result.verdict,
            score: result.score,
            results: std::slice::from_ref(result),
            decisive: result,
            repeat: (self.run.repeats > 1).then_some(result.repeat + 1),
            passed_of_required: None,
            index: self.find_index(result),
            prompts: Rc::clone(&self.asked),
        }
    }

    fn find_index(&self, result: &CaseResult) -> Option<usize> {
        let all = &self.asked.cases;
        let last = self.last_index.get();
        let mut places = (last..all.len()).chain(0..last);
        let at = places.find(|at| all.head(*at).is_some_and(|head| *head.id == *result.case_id))?;
        self.last_index.set(at);
        Some(at)
    }
}

impl<'a> ReportedCase<'a> {
    /// The case as the set has it.
    pub(in crate::view) fn case(&self) -> Option<Case> {
        self.prompts.cases.get(self.index?)
    }

    /// The case's id.
    pub(in crate::view) fn id(&self) -> &'a str {
        &self.decisive.case_id
    }

    /// The case's id, with which of its answers it is where that must be said.
    pub(in crate::view) fn display_name(&self) -> String {
        self.repeat.map_or_else(|| self.id().to_owned(), |nth| format!("{} #{nth}", self.id()))
    }

    /// Why it does not pass: the failure that left nothing to grade, or each assertion that failed.
    pub(in crate::view) fn reasons(&self) -> Vec<CaseReason<'a>> {
        failure_reasons(self.decisive)
    }

    /// How many of its answers pass, where that decides.
    pub(in crate::view) fn describe_repeats(&self) -> Option<String> {
        let (passed, must) = self.passed_of_required?;
        Some(format!("{passed} of {} answers pass, {must} must", self.results.len()))
    }

    /// What had to be put right for the answer to pass.
    pub(in crate::view) fn repaired_by(&self) -> Option<RepairSet> {
        self.decisive.repaired_by
    }

    /// All that was asked: system prompt and turns, each under who says it; the user's words alone where there is nothing
    /// else.
    pub(in crate::view) fn full_prompt(&self) -> String {
        self.case().map(|case| whole_prompt(&case.request)).unwrap_or_default()
    }

    /// What was asked in this case, without what is asked in all.
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
        let who = if message.role == Role::User { "user" } else { "assistant" };
        format!("[{who}]\n{}", message.joined_text())
    }));
    turns.join("\n")
}

/// How many bytes the prompts of all cases have in common, up to a word; `None` where they differ in more than the words of
/// one turn.
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
    // A prompt of which nothing would be left has to stay whole.
    Some(if shortest == length { 0 } else { length })
}

/// How many bytes two texts begin with alike.
fn common_prefix_bytes(a: &str, b: &str) -> usize {
    a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count()
}

/// The end of that many bytes, moved to where a line or a word begins; 0 where so little may as well be shown.
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

/// Why a result does not pass, each reason once.
pub(in crate::view) fn failure_reasons(result: &CaseResult) -> Vec<CaseReason<'_>> {
    if let Some((class, message)) = &result.failure {
        return vec![CaseReason { name: class.as_str(), reason: message }];
    }
    let failed = result.assertions.iter().filter(|assertion| assertion.verdict == Verdict::Fail);
    let mut whys: Vec<CaseReason<'_>> =
        failed.map(|assertion| CaseReason { name: &assertion.name, reason: &assertion.reason }).collect();
    // Whatever asks for JSON says the same of an answer that is none.
    whys.dedup();
    whys
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
        assert_eq!(shared_prefix_bytes(requests_for_prompts(&[&one, &two])), Some(81), "a word is whole");
        assert_eq!(shared_prefix_bytes(requests_for_prompts(&[&one, &two, &three])), Some(81));
        let line = format!("{head}\nthe same words ");
        assert_eq!(
            shared_prefix_bytes(requests_for_prompts(&[&format!("{line}one"), &format!("{line}two")])),
            Some(81),
            "so is a line"
        );
        assert_eq!(shared_prefix_bytes(requests_for_prompts(&[&one, "è"])), Some(0));
        assert_eq!(shared_prefix_bytes(requests_for_prompts(&["a b", "a c"])), Some(0), "short");
        assert_eq!(
            shared_prefix_bytes(requests_for_prompts(&[&one, &format!("{head}\n")])),
            Some(0),
            "nothing would be left"
        );
        assert_eq!(shared_prefix_bytes(requests_for_prompts(&[&one])), Some(0));
        assert_eq!(shared_prefix_bytes(requests_for_prompts(&[])), None);
        let other = Request { system_prompt: Some("Be brief.".into()), ..Request::from_prompt(&*two) };
        assert_eq!(shared_prefix_bytes([Request::from_prompt(&*one), other].into_iter()), None);
    }
}
