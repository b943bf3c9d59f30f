//! What a judge says of the answers of `compare`.

use serde_json::{Value, json};

use super::format::{format_cost, pluralize, strip_control_chars};
use crate::eval::{JudgedPair, OrderedPreference, PairwiseResults, PairwiseVerdict, Preference};

/// Answers that were held against each other.
#[derive(Clone, Debug)]
pub struct PairwiseView<'a> {
    /// Who judged, as it was typed.
    pub judge: &'a str,
    /// By what, where that was said.
    pub rubric: Option<&'a str>,
    /// The models of the judge's own family, where others are not.
    pub same_family_subjects: &'a [String],
    /// What it said.
    pub results: PairwiseResults,
}

/// A line for each pair, and what it took.
pub(super) fn pairwise_lines(judged: &PairwiseView<'_>, names: &[&str]) -> String {
    let PairwiseView { judge, same_family_subjects: kin, results: contested, .. } = judged;
    let mark = if contested.is_simulated { " (sim)" } else { "" };
    let name = |at: usize| names.get(at).copied().unwrap_or_default();
    let mut out = String::new();
    for pair in &contested.pairs {
        let [one, other] = &pair.orders;
        let (a, b) = (name(one.first), name(one.second));
        out += &match pair.verdict {
            Some(PairwiseVerdict::Agreed(Preference::Tie)) => {
                format!("{a} and {b}: a tie{}\n", describe_preference(one))
            }
            Some(PairwiseVerdict::Agreed(preference)) => {
                let (better, worse) = if preference == Preference::First { (a, b) } else { (b, a) };
                format!("{better} is better than {worse}, in both orders{}\n", describe_preference(one))
            }
            Some(PairwiseVerdict::Disagreed { is_position_bias: true }) => {
                let place = if one.winner() == Some(one.first) { "first" } else { "second" };
                format!("{a} and {b}: a tie: in both orders the judge prefers the one that stands {place}\n")
            }
            Some(PairwiseVerdict::Disagreed { is_position_bias: false }) => {
                format!("{a} and {b}: a tie: the two orders do not agree\n")
            }
            None => {
                let why = [one, other].into_iter().find_map(|heard| heard.preference.as_ref().err());
                format!("{a} and {b}: no verdict: {}\n", strip_control_chars(why.map_or("", String::as_str)))
            }
        };
    }
    if !kin.is_empty() {
        out += &format!("{judge} is of one family with {}, and may be kinder to it\n", kin.join(", "));
    }
    let calls = pluralize(contested.calls, "call");
    out + &format!("judged by {judge}{mark}: {calls}, {}\n", format_cost(contested.cost))
}

fn describe_preference(heard: &OrderedPreference) -> String {
    match &heard.preference {
        Ok((_, reason)) if !reason.is_empty() => format!(": {}", strip_control_chars(reason)),
        _ => String::new(),
    }
}

/// The same for programs.
pub(super) fn pairwise_json(judged: &PairwiseView<'_>, names: &[&str]) -> Value {
    let contested = &judged.results;
    let name = |at: Option<usize>| at.and_then(|at| names.get(at).copied());
    let heard = |heard: &OrderedPreference| {
        let reason = heard.preference.as_ref().ok().map(|(_, reason)| reason);
        json!({
            "first": name(Some(heard.first)), "second": name(Some(heard.second)), "winner": name(heard.winner()),
            "reason": reason, "error": heard.preference.as_ref().err(),
        })
    };
    let pair = |pair: &JudgedPair| {
        let [one, other] = &pair.orders;
        let verdict = match (pair.verdict, pair.winner()) {
            (None, _) => None,
            (Some(_), None) => Some("tie"),
            (Some(_), Some(at)) => Some(if at == one.first { "first" } else { "second" }),
        };
        json!({
            "models": [name(Some(one.first)), name(Some(one.second))], "answers": [one.first, one.second],
            "verdict": verdict, "winner": name(pair.winner()),
            "agreed": pair.verdict.map(|verdict| matches!(verdict, PairwiseVerdict::Agreed(_))),
            "position_bias": pair.verdict.map(|v| v == PairwiseVerdict::Disagreed { is_position_bias: true }),
            "orders": [heard(one), heard(other)],
        })
    };
    json!({
        "judge": judged.judge, "rubric": judged.rubric, "simulated": contested.is_simulated, "judged_by_family": judged.same_family_subjects,
        "judge_calls": contested.calls, "judge_cost_usd": contested.cost.usd(),
        "judge_cost_source": contested.cost.source.name(), "pairs": contested.pairs.iter().map(pair).collect::<Vec<_>>(),
    })
}
