//! The cases of a run as reports show them.

use std::cell::Cell;

use super::EvalRun;
use crate::chat::{Request, Role};
use crate::eval::statistics::Quorum;
use crate::eval::{Case, CaseResult, Decided, Repairs, Summary, Verdict, decided_cases};

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
    /// The case as the set has it.
    pub(in crate::view) case: Option<&'a Case>,
    /// How many bytes of its prompt are those of all cases, where they differ in nothing else.
    shared: Option<usize>,
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

/// The cases of a run as one of its subjects was asked them.
pub(in crate::view) struct Cases<'a> {
    run: EvalRun<'a>,
    all: &'a [Case],
    /// Where the last one was found: results come in the order of the cases.
    last: Cell<usize>,
    shared: Option<usize>,
}

impl<'a> Cases<'a> {
    pub(in crate::view) fn of(run: &EvalRun<'a>, summary: &Summary) -> Self {
        let all = run.cases_of(summary);
        let shared = if all.len() > MANY { None } else { shared(all) };
        Self { run: *run, all, last: Cell::new(0), shared }
    }

    /// What is asked in all cases, where that is left out of each.
    pub(in crate::view) fn preface(&self) -> Option<String> {
        let first = self.all.first()?.request();
        let mut text = first.last_user_text();
        text.truncate(self.shared?);
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
        let Some(own) = judged.case else { return String::new() };
        let mut text = own.request().last_user_text();
        let others = self.all.iter().take(MANY).filter(|case| case.id != own.id);
        let longest = others.map(|case| common(&text, &case.request().last_user_text())).max().unwrap_or(0);
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
            case: self.case(first),
            shared: self.shared,
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
            case: self.case(result),
            shared: self.shared,
        }
    }

    fn case(&self, result: &CaseResult) -> Option<&'a Case> {
        let all = self.all;
        let last = self.last.get();
        let mut places = (last..all.len()).chain(0..last);
        let at = places.find(|at| all.get(*at).is_some_and(|case| *case.id == *result.case))?;
        self.last.set(at);
        all.get(at)
    }
}

impl<'a> Judged<'a> {
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
        self.case.map(|case| whole_prompt(&case.request())).unwrap_or_default()
    }

    /// What was asked in this case, without what is asked in all.
    pub(in crate::view) fn own_prompt(&self) -> String {
        let Some(case) = self.case else { return String::new() };
        let text = match self.shared {
            None => return whole_prompt(&case.request()),
            Some(shared) => case.request().last_user_text().split_off(shared),
        };
        if self.shared == Some(0) { text } else { format!("… {text}") }
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
fn shared(cases: &[Case]) -> Option<usize> {
    let (first, rest) = cases.split_first()?;
    let first = first.request();
    let alike = |case: &Case| {
        let request = case.request();
        request.messages.len() == 1 && request.system == first.system
    };
    if !cases.iter().all(alike) {
        return None;
    }
    let text = first.last_user_text();
    let mut length = if rest.is_empty() { 0 } else { text.len() };
    for case in rest {
        length = length.min(common(&text, &case.request().last_user_text()));
    }
    let length = at_words(&text, length);
    // A prompt of which nothing would be left has to stay whole.
    let is_all = cases.iter().any(|case| case.request().last_user_text().len() == length);
    Some(if is_all { 0 } else { length })
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
    use std::sync::Arc;

    use super::*;
    use crate::eval::{Digest, Sharing};

    fn cases(prompts: &[&str]) -> Vec<Case> {
        let case = |prompt: &&str| Case {
            id: (*prompt).into(),
            digest: Digest::default(),
            asked: Sharing::default().asked(Request::prompt(*prompt)),
            reference: None,
            tags: Arc::default(),
            cluster: None,
            assertions: Arc::default(),
            written: None,
        };
        prompts.iter().map(case).collect()
    }

    #[test]
    fn what_all_cases_are_asked_is_found() {
        let head = "é".repeat(40);
        let [one, two, three] = ["one", "onto", "é"].map(|word| format!("{head}\n{word}"));
        assert_eq!(shared(&cases(&[&one, &two])), Some(81), "a word is whole");
        assert_eq!(shared(&cases(&[&one, &two, &three])), Some(81));
        let line = format!("{head}\nthe same words ");
        assert_eq!(shared(&cases(&[&format!("{line}one"), &format!("{line}two")])), Some(81), "so is a line");
        assert_eq!(shared(&cases(&[&one, "è"])), Some(0));
        assert_eq!(shared(&cases(&["a b", "a c"])), Some(0), "short");
        assert_eq!(shared(&cases(&[&one, &format!("{head}\n")])), Some(0), "nothing would be left");
        assert_eq!(shared(&cases(&[&one])), Some(0));
        assert_eq!(shared(&[]), None);
        let mut other = cases(&[&one, &two]);
        let request = Request { system: Some("Be brief.".into()), ..other[1].request() };
        other[1].asked = Sharing::default().asked(request);
        assert_eq!(shared(&other), None);
    }
}
