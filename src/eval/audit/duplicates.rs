//! Cases that ask the same: they count twice what is only there once.

use std::collections::HashMap;

use super::normal::normal;
use crate::chat::Part;
use crate::eval::Case;

/// Cases whose prompts are the same but for white space, capitals and punctuation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Duplicates {
    /// Their ids, in the set's order.
    pub cases: Vec<String>,
    /// Whether they also want the same answer; if not, one of them contradicts another.
    pub same_reference: bool,
}

/// Groups of cases that ask the same, by the first of each.
pub(super) fn find(cases: &[Case]) -> Vec<Duplicates> {
    let mut groups: Vec<Vec<&Case>> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for case in cases {
        let place = *places.entry(question(case)).or_insert(groups.len());
        match groups.get_mut(place) {
            Some(group) => group.push(case),
            None => groups.push(vec![case]),
        }
    }
    let several = groups.into_iter().filter(|group| group.len() > 1);
    several
        .map(|group| {
            let mut answers = group.iter().map(|case| case.reference.as_deref().map(normal));
            let first = answers.next();
            Duplicates {
                cases: group.iter().map(|case| case.head.id.to_string()).collect(),
                same_reference: answers.all(|answer| Some(answer) == first),
            }
        })
        .collect()
}

/// What a case asks, in its normal form.
pub(super) fn question(case: &Case) -> String {
    let request = &case.request;
    let system = request.system.as_deref().unwrap_or_default();
    let parts = request.messages.iter().flat_map(|message| &message.parts);
    // A part that is no text (an image) is compared as it is.
    let said = |part: &Part| match part.as_text() {
        Some(text) => normal(text),
        None => serde_json::to_string(part).unwrap_or_default(),
    };
    [normal(system)].into_iter().chain(parts.map(said)).collect::<Vec<_>>().join("\u{0}")
}
