//! Money as integers.

use std::iter::Sum;

use serde::{Deserialize, Serialize};

/// Billionths of a US dollar. An unknown amount is `None`. There is no `Default`, so that an unknown amount
/// cannot become zero by accident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NanoDollars(u64);

impl NanoDollars {
    pub const ZERO: Self = Self(0);

    pub const fn new(nano: u64) -> Self {
        Self(nano)
    }

    pub const fn get(self) -> u64 {
        self.0
    }

    /// Rounds to the nearest billionth. `None` for negative amounts and for 9 million dollars or more.
    pub fn from_usd(usd: f64) -> Option<Self> {
        // Below 2^53, every whole number of nano-dollars is exact as a double.
        (0.0..9e6).contains(&usd).then(|| Self((usd * 1e9).round() as u64))
    }

    pub fn to_usd(self) -> f64 {
        self.0 as f64 / 1e9
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

impl Sum for NanoDollars {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Self::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usd_cases() {
        for (usd, expected) in [
            (0.0, Some(0)),
            (0.000_015, Some(15_000)),
            (2.5, Some(2_500_000_000)),
            (9e6 - 1e-3, Some(8_999_999_999_000_000)),
            (9e6, None),
            (-1e-9, None),
            (f64::NAN, None),
        ] {
            let amount = NanoDollars::from_usd(usd);
            assert_eq!(amount, expected.map(NanoDollars::new), "{usd}");
            assert!(amount.is_none_or(|amount| amount.to_usd() == usd), "{usd}");
        }
    }

    #[test]
    fn sums_saturate() {
        let [most, one] = [NanoDollars::new(u64::MAX), NanoDollars::new(1)];
        assert_eq!(most.saturating_add(one), most);
        assert_eq!(one.saturating_sub(most), NanoDollars::ZERO);
        assert_eq!(most.saturating_mul(2), most);
        assert_eq!([one, most].into_iter().sum::<NanoDollars>(), most);
    }

    #[test]
    fn json_is_the_integer() {
        assert_eq!(serde_json::to_string(&Some(NanoDollars::new(7))).unwrap(), "7");
        assert_eq!(serde_json::from_str::<NanoDollars>("7").unwrap(), NanoDollars::new(7));
    }
}
