//! A judge's verdicts on the answers of `compare`.

use serde_json::{Value, json};

use super::eval_failures::describe_judge_failure;
use super::format::{format_cost, pluralize, strip_control_chars};
use crate::eval::{
    JudgeFailure, JudgedPair, OrderedPreference, PairwiseResults, PairwiseVerdict, Preference,
};

#[derive(Clone, Debug)]
pub(crate) struct PairwiseView<'a> {
    /// The judge as given on the command line.
    pub judge: &'a str,
    pub rubric: Option<&'a str>,
    /// Compared models of the judge's own family, if other compared models are not.
    pub same_family_subjects: &'a [String],
    pub results: PairwiseResults,
}

/// One line for each pair, then the number of calls and the cost.
pub(super) fn pairwise_lines(judged: &PairwiseView<'_>, names: &[&str]) -> String {
    let PairwiseView { judge, same_family_subjects: same_family, results, .. } = judged;
    let mark = if results.is_simulated { " (sim)" } else { "" };
    let name = |at: usize| names.get(at).copied().unwrap_or("?");
    let mut out = String::new();
    for pair in &results.pairs {
        let [one, other] = &pair.orders;
        let (a, b) = (name(one.first), name(one.second));
        out += &match pair.verdict {
            Some(PairwiseVerdict::Agreed(Preference::Tie)) => {
                format!("{a} vs. {b}: tie{}\n", describe_preference(one))
            }
            Some(PairwiseVerdict::Agreed(preference)) => {
                let (better, worse) = if preference == Preference::First { (a, b) } else { (b, a) };
                format!("{better} beats {worse} in both orders{}\n", describe_preference(one))
            }
            Some(PairwiseVerdict::Disagreed { is_position_bias: true }) => {
                let position = if one.winner() == Some(one.first) { "first" } else { "second" };
                format!(
                    "{a} vs. {b}: tie: the judge prefers the {position} answer in both orders (position bias)\n"
                )
            }
            Some(PairwiseVerdict::Disagreed { is_position_bias: false }) => {
                format!("{a} vs. {b}: tie: the two orders disagree\n")
            }
            None => {
                let why = [one, other].into_iter().find_map(describe_missing_preference);
                format!("{a} vs. {b}: no verdict: {}\n", strip_control_chars(&why.unwrap_or_default()))
            }
        };
    }
    if results.pairs.is_empty() {
        return "not judged: fewer than two answers\n".to_owned();
    }
    let family = match same_family {
        [] => String::new(),
        names => format!(", from the same model family as {}", names.join(", ")),
    };
    let calls = pluralize(results.calls, "call");
    out + &format!("judged by {judge}{mark}{family}: {calls}, {}\n", format_cost(results.cost))
}

fn describe_preference(order: &OrderedPreference) -> String {
    match &order.preference {
        Ok((_, reason)) if !reason.is_empty() => format!(": {}", strip_control_chars(reason)),
        _ => String::new(),
    }
}

/// Why the judge has no preference.
fn describe_missing_preference(order: &OrderedPreference) -> Option<String> {
    order.preference.as_ref().err().map(|failure| describe_judge_failure(failure, None))
}

pub(super) fn pairwise_json(judged: &PairwiseView<'_>, names: &[&str]) -> Value {
    let results = &judged.results;
    let name = |at: Option<usize>| at.and_then(|at| names.get(at).copied());
    let order = |order: &OrderedPreference| {
        let reason = order.preference.as_ref().ok().map(|(_, reason)| reason);
        json!({
            "first": name(Some(order.first)), "second": name(Some(order.second)), "winner": name(order.winner()),
            "reason": reason, "error": describe_missing_preference(order),
            "error_code": order.preference.as_ref().err().map(JudgeFailure::code),
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
            "orders": [order(one), order(other)],
        })
    };
    json!({
        "judge": judged.judge, "rubric": judged.rubric, "simulated": results.is_simulated, "judged_by_family": judged.same_family_subjects,
        "judge_calls": results.calls, "judge_cost_usd": results.cost.usd(),
        "judge_cost_source": results.cost.source.name(), "pairs": results.pairs.iter().map(pair).collect::<Vec<_>>(),
    })
}
