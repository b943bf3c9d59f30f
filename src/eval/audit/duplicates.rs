//! Cases that ask the same: they count twice what is only there once.

use std::collections::HashMap;

use super::normalize::normalize;
use crate::chat::Part;
use crate::eval::Case;

/// Cases whose prompts are the same but for white space, capitals and punctuation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DuplicateGroup {
    /// Their ids, in the set's order.
    pub cases: Vec<String>,
    /// Whether they also want the same answer; if not, one of them contradicts another.
    pub has_same_reference: bool,
}

/// Groups of cases that ask the same, by the first of each.
pub(super) fn find_duplicates(cases: &[Case]) -> Vec<DuplicateGroup> {
    let mut groups: Vec<Vec<&Case>> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for case in cases {
        let place = *places.entry(normalize_prompt(case)).or_insert(groups.len());
        match groups.get_mut(place) {
            Some(group) => group.push(case),
            None => groups.push(vec![case]),
        }
    }
    let several = groups.into_iter().filter(|group| group.len() > 1);
    several
        .map(|group| {
            let mut answers = group.iter().map(|case| case.reference.as_deref().map(normalize));
            let first = answers.next();
            DuplicateGroup {
                cases: group.iter().map(|case| case.metadata.id.to_string()).collect(),
                has_same_reference: answers.all(|answer| Some(answer) == first),
            }
        })
        .collect()
}

/// What a case asks, in its normal form.
pub(super) fn normalize_prompt(case: &Case) -> String {
    let request = &case.request;
    let system = request.system_prompt.as_deref().unwrap_or_default();
    let parts = request.messages.iter().flat_map(|message| &message.parts);
    // A part that is no text (an image) is compared as it is.
    let said = |part: &Part| match part.as_text() {
        Some(text) => normalize(text),
        None => serde_json::to_string(part).unwrap_or_default(),
    };
    [normalize(system)].into_iter().chain(parts.map(said)).collect::<Vec<_>>().join("\u{0}")
}
