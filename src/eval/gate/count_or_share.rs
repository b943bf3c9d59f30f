/// A limit given as a number of cases or as a share of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum CountOrShare {
    Count(u64),
    /// 0 to 1.
    Share(f64),
}

impl CountOrShare {
    /// The limit as a number out of `cases`.
    pub fn to_count(self, cases: u64) -> u64 {
        match self {
            Self::Count(count) => count,
            // A share that gives a whole number must not lose a case to rounding.
            Self::Share(share) => (share * cases as f64 + 1e-9).floor() as u64,
        }
    }
}

impl std::str::FromStr for CountOrShare {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let error = || match text.trim().parse::<f64>() {
            // `0.5` could mean 0.5% or half of the cases.
            Ok(share) if share > 0.0 && share < 1.0 => {
                let percent = (share * 1e9).round() / 1e7;
                format!("invalid limit `{text}`: write `{percent}%` for a share of the cases")
            }
            _ => format!("invalid limit `{text}`: expected a count or a percentage from 0% to 100%"),
        };
        match text.trim().strip_suffix('%') {
            None => text.trim().parse().map(Self::Count).map_err(|_| error()),
            Some(percent) => match percent.trim().parse::<f64>() {
                Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(Self::Share(percent / 100.0)),
                _ => Err(error()),
            },
        }
    }
}
