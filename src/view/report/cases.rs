//! The cases of a run as reports show them.

use std::cell::{Cell, OnceCell};
use std::rc::Rc;

use super::EvalRun;
use crate::chat::{Request, Role};
use crate::eval::statistics::Quorum;
use crate::eval::{self, Case, CaseResult, Decided, Repairs, Summary, Verdict, decided_cases};

/// An answer; or a case with all its answers, where so many of them decide it.
pub(in crate::view) struct Judged<'a> {
    pub(in crate::view) verdict: Verdict,
    pub(in crate::view) score: Option<f64>,
    /// The answers, never none.
    pub(in crate::view) results: &'a [CaseResult],
    /// The first that says why the verdict is what it is.
    pub(in crate::view) decisive: &'a CaseResult,
    /// Which of a case's answers it is, from 1, where there are several and each counts by itself.
    pub(in crate::view) nth: Option<u32>,
    /// How many answers pass and how many must, where that decides.
    pub(in crate::view) of_repeats: Option<(usize, u32)>,
    /// The place of its case among these.
    place: Option<usize>,
    asked: Rc<Asked>,
}

/// So many bytes that all prompts begin with are shown in each.
const SHORT: usize = 60;

/// One reason for a verdict: the assertion or the class of failure, and what it says.
#[derive(PartialEq)]
pub(in crate::view) struct Why<'a> {
    pub(in crate::view) name: &'a str,
    pub(in crate::view) reason: &'a str,
}

/// Of a set with more cases than that nobody reads what all of them have in common.
const MANY: usize = 10_000;

/// What a subject was asked.
struct Asked {
    all: eval::Cases,
    /// The prompts of the first cases.
    prompts: OnceCell<Vec<String>>,
    /// How many bytes of its prompt are those of all cases, where they differ in nothing else.
    shared: OnceCell<Option<usize>>,
}

impl Asked {
    fn prompts(&self) -> &[String] {
        let first = || self.all.iter().take(MANY).map(|case| case.request.last_user_text()).collect();
        self.prompts.get_or_init(first)
    }

    fn shared(&self) -> Option<usize> {
        let found =
            || if self.all.len() > MANY { None } else { shared(self.all.iter().map(|case| case.request)) };
        *self.shared.get_or_init(found)
    }
}

/// The cases of a run as one of its subjects was asked them.
pub(in crate::view) struct ShownCases<'a> {
    run: EvalRun<'a>,
    asked: Rc<Asked>,
    /// Where the last one was found: results come in the order of the cases.
    last: Cell<usize>,
}

impl<'a> ShownCases<'a> {
    pub(in crate::view) fn of(run: &EvalRun<'a>, summary: &Summary) -> Self {
        let all = run.set.asked_of(&summary.subject, run.cases);
        let asked = Asked { all, prompts: OnceCell::new(), shared: OnceCell::new() };
        Self { run: *run, asked: Rc::new(asked), last: Cell::new(0) }
    }

    /// What is asked in all cases, where that is left out of each.
    pub(in crate::view) fn preface(&self) -> Option<String> {
        let first = self.asked.all.first()?.request;
        let mut text = first.last_user_text();
        text.truncate(self.asked.shared()?);
        let system = first.system.as_ref().map(|system| format!("[system]\n{system}\n[user]\n"));
        let preface = system.unwrap_or_default() + &text;
        (!preface.is_empty()).then_some(preface)
    }

    /// What is judged of a subject's results, in their order.
    pub(in crate::view) fn judged(&self, results: &'a [CaseResult]) -> impl Iterator<Item = Judged<'a>> {
        let each = if self.run.min_pass.is_none() { results } else { &[] };
        let by_repeats = self.run.min_pass.into_iter().flat_map(move |min_pass| {
            let decided = decided_cases(results, min_pass);
            decided.filter_map(move |(of, decided)| self.repeats(of, decided, min_pass))
        });
        each.iter().map(|result| self.answer(result)).chain(by_repeats)
    }

    /// Those of them that do not pass.
    pub(in crate::view) fn bad(&self, results: &'a [CaseResult]) -> impl Iterator<Item = Judged<'a>> {
        self.judged(results).filter(|judged| judged.verdict != Verdict::Pass)
    }

    /// What a case asks, from where no other case asks the same: what tells it from its neighbours.
    pub(in crate::view) fn telling(&self, judged: &Judged<'a>) -> String {
        let Some(own) = judged.case() else { return String::new() };
        let mut text = own.request.last_user_text();
        let others = self.asked.prompts().iter().enumerate().filter(|(at, _)| Some(*at) != judged.place);
        let longest = others.map(|(_, other)| common(&text, other)).max().unwrap_or(0);
        match at_words(&text, longest) {
            0 => text,
            start if start == text.len() => text,
            start => format!("… {}", text.split_off(start)),
        }
    }

    fn repeats(&self, of: &'a [CaseResult], decided: Decided, min_pass: Quorum) -> Option<Judged<'a>> {
        let first = of.first()?;
        Some(Judged {
            verdict: decided.verdict,
            score: decided.score,
            results: of,
            decisive: of.iter().find(|result| result.verdict == decided.verdict).unwrap_or(first),
            nth: None,
            of_repeats: Some((
                of.iter().filter(|result| result.verdict == Verdict::Pass).count(),
                min_pass.pass,
            )),
            place: self.place(first),
            asked: Rc::clone(&self.asked),
        })
    }

    fn answer(&self, result: &'a CaseResult) -> Judged<'a> {
        Judged {
            verdict: result.verdict,
            score: result.score,
            results: std::slice::from_ref(result),
            decisive: result,
            nth: (self.run.repeats > 1).then_some(result.repeat + 1),
            of_repeats: None,
            place: self.place(result),
            asked: Rc::clone(&self.asked),
        }
    }

    fn place(&self, result: &CaseResult) -> Option<usize> {
        let all = &self.asked.all;
        let last = self.last.get();
        let mut places = (last..all.len()).chain(0..last);
        let at = places.find(|at| all.head(*at).is_some_and(|head| *head.id == *result.case))?;
        self.last.set(at);
        Some(at)
    }
}

impl<'a> Judged<'a> {
    /// The case as the set has it.
    pub(in crate::view) fn case(&self) -> Option<Case> {
        self.asked.all.get(self.place?)
    }

    /// The case's id.
    pub(in crate::view) fn id(&self) -> &'a str {
        &self.decisive.case
    }

    /// The case's id, with which of its answers it is where that must be said.
    pub(in crate::view) fn name(&self) -> String {
        self.nth.map_or_else(|| self.id().to_owned(), |nth| format!("{} #{nth}", self.id()))
    }

    /// Why it does not pass: the failure that left nothing to grade, or each assertion that failed.
    pub(in crate::view) fn whys(&self) -> Vec<Why<'a>> {
        whys(self.decisive)
    }

    /// How many of its answers pass, where that decides.
    pub(in crate::view) fn repeats_words(&self) -> Option<String> {
        let (passed, must) = self.of_repeats?;
        Some(format!("{passed} of {} answers pass, {must} must", self.results.len()))
    }

    /// What had to be put right for the answer to pass.
    pub(in crate::view) fn repaired_by(&self) -> Option<Repairs> {
        self.decisive.repaired_by
    }

    /// All that was asked: system prompt and turns, each under who says it; the user's words alone where there is nothing
    /// else.
    pub(in crate::view) fn prompt(&self) -> String {
        self.case().map(|case| whole_prompt(&case.request)).unwrap_or_default()
    }

    /// What was asked in this case, without what is asked in all.
    pub(in crate::view) fn own_prompt(&self) -> String {
        let Some(Case { request, .. }) = self.case() else { return String::new() };
        match self.asked.shared() {
            None => whole_prompt(&request),
            Some(0) => request.last_user_text(),
            Some(shared) => format!("… {}", request.last_user_text().split_off(shared)),
        }
    }
}

fn whole_prompt(request: &Request) -> String {
    if request.system.is_none() && request.messages.len() == 1 {
        return request.last_user_text();
    }
    let mut turns: Vec<String> = request.system.iter().map(|system| format!("[system]\n{system}")).collect();
    turns.extend(request.messages.iter().map(|message| {
        let who = if message.role == Role::User { "user" } else { "assistant" };
        format!("[{who}]\n{}", message.text())
    }));
    turns.join("\n")
}

/// How many bytes the prompts of all cases have in common, up to a word; `None` where they differ in more than the words of
/// one turn.
fn shared(mut cases: impl Iterator<Item = Request>) -> Option<usize> {
    let first = cases.next()?;
    if first.messages.len() != 1 {
        return None;
    }
    let text = first.last_user_text();
    let (mut length, mut shortest, mut count) = (text.len(), text.len(), 1);
    for request in cases {
        if request.messages.len() != 1 || request.system != first.system {
            return None;
        }
        let own = request.last_user_text();
        length = length.min(common(&text, &own));
        shortest = shortest.min(own.len());
        count += 1;
    }
    let length = if count == 1 { 0 } else { at_words(&text, length) };
    // A prompt of which nothing would be left has to stay whole.
    Some(if shortest == length { 0 } else { length })
}

/// How many bytes two texts begin with alike.
fn common(a: &str, b: &str) -> usize {
    a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count()
}

/// The end of that many bytes, moved to where a line or a word begins; 0 where so little may as well be shown.
fn at_words(text: &str, mut length: usize) -> usize {
    while !text.is_char_boundary(length) {
        length -= 1;
    }
    let before = &text[..length];
    let line = before.rfind('\n').map_or(0, |at| at + 1);
    let word = before.rfind(char::is_whitespace).map_or(0, |at| at + 1);
    let start = if length - line < SHORT { line } else { word };
    if start < SHORT { 0 } else { start }
}

/// Why a result does not pass, each reason once.
pub(in crate::view) fn whys(result: &CaseResult) -> Vec<Why<'_>> {
    if let Some((class, message)) = &result.failure {
        return vec![Why { name: class.name(), reason: message }];
    }
    let failed = result.assertions.iter().filter(|assertion| assertion.verdict == Verdict::Fail);
    let mut whys: Vec<Why<'_>> =
        failed.map(|assertion| Why { name: &assertion.name, reason: &assertion.reason }).collect();
    // Whatever asks for JSON says the same of an answer that is none.
    whys.dedup();
    whys
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cases(prompts: &[&str]) -> impl Iterator<Item = Request> {
        prompts.iter().map(|prompt| Request::prompt(*prompt))
    }

    #[test]
    fn what_all_cases_are_asked_is_found() {
        let head = "é".repeat(40);
        let [one, two, three] = ["one", "onto", "é"].map(|word| format!("{head}\n{word}"));
        assert_eq!(shared(cases(&[&one, &two])), Some(81), "a word is whole");
        assert_eq!(shared(cases(&[&one, &two, &three])), Some(81));
        let line = format!("{head}\nthe same words ");
        assert_eq!(shared(cases(&[&format!("{line}one"), &format!("{line}two")])), Some(81), "so is a line");
        assert_eq!(shared(cases(&[&one, "è"])), Some(0));
        assert_eq!(shared(cases(&["a b", "a c"])), Some(0), "short");
        assert_eq!(shared(cases(&[&one, &format!("{head}\n")])), Some(0), "nothing would be left");
        assert_eq!(shared(cases(&[&one])), Some(0));
        assert_eq!(shared(cases(&[])), None);
        let other = Request { system: Some("Be brief.".into()), ..Request::prompt(&*two) };
        assert_eq!(shared([Request::prompt(&*one), other].into_iter()), None);
    }
}
