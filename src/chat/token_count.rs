//! Token counts as integers.

use std::fmt;
use std::iter::Sum;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A number of tokens. An unknown number is `None`. There is no `Default`, so that an unknown number cannot
/// become zero by accident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TokenCount(u64);

impl TokenCount {
    pub const ZERO: Self = Self(0);

    pub const fn new(count: u64) -> Self {
        Self(count)
    }

    pub const fn get(self) -> u64 {
        self.0
    }

    pub const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    pub const fn saturating_mul(self, factor: u64) -> Self {
        Self(self.0.saturating_mul(factor))
    }
}

impl Sum for TokenCount {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(Self::ZERO, Self::saturating_add)
    }
}

impl fmt::Display for TokenCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<TokenCount> for u128 {
    fn from(count: TokenCount) -> Self {
        count.0.into()
    }
}

impl From<TokenCount> for Value {
    fn from(count: TokenCount) -> Self {
        count.0.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_saturate() {
        let [most, one] = [TokenCount::new(u64::MAX), TokenCount::new(1)];
        assert_eq!(most.saturating_add(one), most);
        assert_eq!(one.saturating_sub(most), TokenCount::ZERO);
        assert_eq!(most.saturating_mul(2), most);
        assert_eq!([one, most].into_iter().sum::<TokenCount>(), most);
    }

    #[test]
    fn json_is_the_integer() {
        assert_eq!(serde_json::to_string(&Some(TokenCount::new(7))).unwrap(), "7");
        assert_eq!(serde_json::from_str::<TokenCount>("7").unwrap(), TokenCount::new(7));
        assert_eq!(Value::from(TokenCount::new(u64::MAX)), u64::MAX);
    }
}
