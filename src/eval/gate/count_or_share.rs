//! A number of cases, or a share of them.

/// A number of cases, or a share of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum CountOrShare {
    /// So many.
    Count(u64),
    /// That share, 0 to 1.
    Share(f64),
}

impl CountOrShare {
    /// How many of so many cases that is.
    pub fn to_count(self, cases: u64) -> u64 {
        match self {
            Self::Count(count) => count,
            // Shares are written in decimals; one that comes to a whole number must not lose a case by a rounding.
            Self::Share(share) => (share * cases as f64 + 1e-9).floor() as u64,
        }
    }
}

impl std::str::FromStr for CountOrShare {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || match text.trim().parse::<f64>() {
            // Half a percent, or half of them: nobody knows which was meant.
            Ok(share) if share > 0.0 && share < 1.0 => {
                let percent = (share * 1e9).round() / 1e7;
                format!("`{text}` is no number of cases; as a share of them, that is `{percent}%`")
            }
            _ => format!("`{text}` is neither a number of cases nor a share such as `1%`"),
        };
        match text.trim().strip_suffix('%') {
            None => text.trim().parse().map(Self::Count).map_err(|_| wrong()),
            Some(percent) => match percent.trim().parse::<f64>() {
                Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(Self::Share(percent / 100.0)),
                _ => Err(wrong()),
            },
        }
    }
}
