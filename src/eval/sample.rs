//! A part of a set, chosen by chance and always the same.

use sha2::{Digest, Sha256};

use super::Case;

/// So many of the cases, in their order. The same seed chooses the same cases; a case that is added or taken out changes
/// the choice by one case at most.
pub fn sample(mut cases: Vec<Case>, count: usize, seed: u64) -> Vec<Case> {
    if count >= cases.len() {
        return cases;
    }
    let rank = |case: &Case| {
        let hash = Sha256::new().chain_update(seed.to_le_bytes()).chain_update(case.id.as_bytes());
        <[u8; 32]>::from(hash.finalize())
    };
    let mut ranks: Vec<[u8; 32]> = cases.iter().map(rank).collect();
    ranks.sort_unstable();
    let limit = ranks[count];
    cases.retain(|case| rank(case) < limit);
    cases
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::set::case;

    fn cases(ids: impl Iterator<Item = usize>) -> Vec<Case> {
        ids.map(|n| case(&format!("c{n}"))).collect()
    }

    fn ids(cases: &[Case]) -> Vec<&str> {
        cases.iter().map(|case| &*case.id).collect()
    }

    #[test]
    fn a_seed_chooses_the_same_cases() {
        let chosen = sample(cases(0..100), 10, 1);
        assert_eq!(chosen.len(), 10);
        assert_eq!(ids(&chosen), ids(&sample(cases(0..100), 10, 1)));
        assert_ne!(ids(&chosen), ids(&sample(cases(0..100), 10, 2)));
        let with_more = sample(cases(0..101), 10, 1);
        let same = with_more.iter().filter(|case| ids(&chosen).contains(&&*case.id)).count();
        assert!(same >= 9, "{same}");
        let order: Vec<usize> = chosen.iter().map(|case| case.id[1..].parse().unwrap()).collect();
        assert!(order.is_sorted());
        assert_eq!(sample(cases(0..3), 3, 1).len(), 3);
        assert!(sample(cases(0..3), 0, 1).is_empty());
    }
}
