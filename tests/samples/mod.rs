//! Provider traffic, recorded or written by hand: request round trips, and answers and errors compared with
//! independent parsers.

mod answers;
mod canonical;
mod errors;
mod expected;
mod frames;
mod manifest;
mod requests;

use std::collections::{BTreeMap, BTreeSet};

use manifest::Sample;
pub(crate) use manifest::written_samples_folder;
use slalom::dialect::Dialect;

use crate::shared_folder::shared_path;

/// Samples that fail, each with its reason. The test fails if one of them passes.
const EXCEPTIONS: [(&str, &str); 6] = [
    ("bedrock/vercel-amazon-bedrock-reranking.1", "a ranking, not a chat"),
    ("cohere/vercel-cohere-embedding", "an embedding, not a chat"),
    ("cohere/vercel-cohere-reranking.1", "a ranking, not a chat"),
    ("ollama/image-input", "uses /api/generate, a completion endpoint, not a chat"),
    ("ollama/image-input-stream", "uses /api/generate, a completion endpoint, not a chat"),
    ("ollama/text-stream", "uses /api/generate, a completion endpoint, not a chat"),
];

/// The problems of a sample; `None` if nothing in it could be checked.
fn check_sample(sample: &Sample) -> Option<Vec<String>> {
    let parts =
        [requests::check_request(sample), answers::check_answers(sample), errors::check_error(sample)];
    let checked: Vec<Vec<String>> = parts.into_iter().flatten().collect();
    (!checked.is_empty()).then(|| checked.concat())
}

type PassedOfTotal = [usize; 2];

#[test]
fn written_traffic_decodes_as_expected() {
    let mut wrong = Vec::new();
    let mut names = BTreeSet::new();
    for sample in manifest::load_samples(&written_samples_folder()) {
        let problems = check_sample(&sample).unwrap_or_else(|| vec!["no part could be checked".to_owned()]);
        wrong.extend(problems.iter().map(|problem| format!("{}: {problem}", sample.name)));
        names.insert(sample.name);
    }
    for dialect in Dialect::all() {
        let expected = ["tool-call", "text", "error"].map(|case| format!("{dialect}/{case}"));
        wrong.extend(
            expected.into_iter().filter(|name| !names.contains(name)).map(|name| format!("no {name}")),
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
#[ignore = "needs ../shared"]
fn recorded_traffic_decodes_as_expected() {
    let folder = shared_path("wire/samples");
    let (mut recorded, mut synthetic): (BTreeMap<&str, PassedOfTotal>, BTreeMap<&str, PassedOfTotal>) =
        Default::default();
    let mut unlisted = Vec::new();
    for sample in manifest::load_samples(&folder) {
        let wrong = check_sample(&sample).unwrap_or_else(|| vec!["no part could be checked".to_owned()]);
        let of_kind = if sample.recorded { &mut recorded } else { &mut synthetic };
        let tally = of_kind.entry(sample.dialect.as_str()).or_default();
        tally[0] += usize::from(wrong.is_empty());
        tally[1] += 1;
        match EXCEPTIONS.iter().find(|(name, _)| *name == sample.name) {
            Some((name, why)) if !wrong.is_empty() => println!("exception {name}: {why}"),
            Some((name, _)) => unlisted.push(format!("{name} passes: remove it from EXCEPTIONS")),
            None => unlisted.extend(wrong.iter().map(|why| format!("{}: {why}", sample.name))),
        }
    }
    for (dialect, [passed, all]) in &recorded {
        let [more, more_total] = synthetic.get(dialect).copied().unwrap_or_default();
        println!("{dialect:18} recorded {passed:3} of {all:3}   synthetic {more:3} of {more_total:3}");
    }
    let sum = |tallies: &BTreeMap<&str, PassedOfTotal>| {
        tallies.values().fold([0, 0], |sum: PassedOfTotal, [passed, all]| [sum[0] + passed, sum[1] + all])
    };
    let ([passed, total], [more, more_total]) = (sum(&recorded), sum(&synthetic));
    println!("passed {} of {}; recorded {passed} of {total}", passed + more, total + more_total);
    assert!(total + more_total >= 519 && total >= 449, "found only {} samples", total + more_total);
    assert!(unlisted.is_empty(), "{}", unlisted.join("\n"));
    assert!(
        (passed + more) * 100 >= (total + more_total) * 97 && passed * 100 >= total * 97,
        "too few samples pass"
    );
}
