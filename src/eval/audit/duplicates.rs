//! Finds duplicate cases, which count the same evidence twice.

use std::collections::HashMap;

use super::normalize::normalize;
use crate::chat::Part;
use crate::eval::Case;

/// Cases whose prompts differ only in whitespace, case, or punctuation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DuplicateGroup {
    /// IDs in set order.
    pub cases: Vec<String>,
    /// False when their references contradict each other.
    pub has_same_reference: bool,
}

/// Groups in order of their first case.
pub(super) fn find_duplicates(cases: &[Case]) -> Vec<DuplicateGroup> {
    let mut groups: Vec<Vec<&Case>> = Vec::new();
    let mut group_indexes: HashMap<String, usize> = HashMap::new();
    for case in cases {
        let index = *group_indexes.entry(normalize_prompt(case)).or_insert(groups.len());
        match groups.get_mut(index) {
            Some(group) => group.push(case),
            None => groups.push(vec![case]),
        }
    }
    let duplicates = groups.into_iter().filter(|group| group.len() > 1);
    duplicates
        .map(|group| {
            let mut references = group.iter().map(|case| case.reference.as_deref().map(normalize));
            let first = references.next();
            DuplicateGroup {
                cases: group.iter().map(|case| case.metadata.id.to_string()).collect(),
                has_same_reference: references.all(|reference| Some(reference) == first),
            }
        })
        .collect()
}

/// The normalized system prompt and messages.
pub(super) fn normalize_prompt(case: &Case) -> String {
    let request = &case.request;
    let system = request.system_prompt.as_deref().unwrap_or_default();
    let parts = request.messages.iter().flat_map(|message| &message.parts);
    // Non-text parts such as images are compared in serialized form.
    let normalize_part = |part: &Part| match part.as_text() {
        Some(text) => normalize(text),
        None => serde_json::to_string(part).unwrap_or_default(),
    };
    [normalize(system)].into_iter().chain(parts.map(normalize_part)).collect::<Vec<_>>().join("\u{0}")
}
