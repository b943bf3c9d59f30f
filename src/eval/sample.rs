//! Reproducible random samples of a set.

use sha2::{Digest, Sha256};

use super::Cases;

/// Selects `count` cases in set order. The same seed selects the same cases; adding or removing a case
/// changes the selection by at most one case.
pub(crate) fn sample_cases(cases: &Cases, count: usize, seed: u64) -> Cases {
    if count >= cases.len() {
        return cases.clone();
    }
    let rank = |id: &str| {
        let hash = Sha256::new().chain_update(seed.to_le_bytes()).chain_update(id.as_bytes());
        <[u8; 32]>::from(hash.finalize())
    };
    let mut ranks: Vec<[u8; 32]> = cases.heads().map(|head| rank(&head.id)).collect();
    let (_, limit, _) = ranks.select_nth_unstable(count);
    cases.filter(|head| rank(&head.id) < *limit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::case::case;
    use crate::eval::cases::build_cases;

    fn numbered_cases(count: usize) -> Cases {
        build_cases((0..count).map(|n| case(&format!("c{n}"))).collect())
    }

    fn ids(cases: &Cases) -> Vec<String> {
        cases.heads().map(|head| head.id.into()).collect()
    }

    #[test]
    fn same_seed_selects_same_cases() {
        let chosen = sample_cases(&numbered_cases(100), 10, 1);
        assert_eq!(chosen.len(), 10);
        assert_eq!(ids(&chosen), ids(&sample_cases(&numbered_cases(100), 10, 1)));
        assert_ne!(ids(&chosen), ids(&sample_cases(&numbered_cases(100), 10, 2)));
        let with_more = sample_cases(&numbered_cases(101), 10, 1);
        let same = ids(&with_more).iter().filter(|id| ids(&chosen).contains(id)).count();
        assert!(same >= 9, "{same}");
        let order: Vec<usize> = ids(&chosen).iter().map(|id| id[1..].parse().unwrap()).collect();
        assert!(order.is_sorted());
        assert_eq!(sample_cases(&numbered_cases(3), 3, 1).len(), 3);
        assert!(sample_cases(&numbered_cases(3), 0, 1).is_empty());
    }
}
