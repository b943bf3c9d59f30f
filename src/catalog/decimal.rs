//! Exact decimal numbers: a price never passes through a float.

use crate::chat::NanoDollars;

/// Parses dollars per million tokens (`0.075`) into nano-dollars. `None` for negative numbers, exponents, and
/// more than nine decimals.
pub(crate) fn parse_usd(text: &str) -> Option<NanoDollars> {
    let text = text.trim();
    let plain = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    plain.then(|| parse_scaled_decimal(text, 9)).flatten().map(NanoDollars::new)
}

/// A decimal number times a power of ten, if the result is an integer: `1.5e-6` times 10^15 is 1,500,000,000.
pub(super) fn parse_scaled_decimal(text: &str, power: i32) -> Option<u64> {
    let text = text.trim();
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let fraction_length = i32::try_from(fraction.len()).ok()?;
    let shift = power.checked_add(exponent)?.checked_sub(fraction_length)?;
    let significant = digits.trim_start_matches('0');
    if significant.is_empty() {
        return Some(0);
    }
    if shift >= 0 {
        let factor = 10_u64.checked_pow(u32::try_from(shift).ok()?)?;
        return significant.parse::<u64>().ok()?.checked_mul(factor);
    }
    // Only zeros may be cut off: a price is never rounded.
    let keep = significant.len().checked_sub(usize::try_from(shift.unsigned_abs()).ok()?)?;
    let (kept, cut) = significant.split_at(keep);
    let exact = cut.bytes().all(|b| b == b'0') && !kept.is_empty();
    exact.then(|| kept.parse().ok()).flatten()
}

/// Nano-dollars in dollars, with as many decimals as needed.
pub(crate) fn format_usd_exact(amount: NanoDollars) -> String {
    let (whole, fraction) = (amount.get() / 1_000_000_000, amount.get() % 1_000_000_000);
    let text = format!("{whole}.{fraction:09}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parse_usd_cases() {
        for (text, nano) in [
            ("0.075", Some(75_000_000)),
            ("12", Some(12_000_000_000)),
            (".5", Some(500_000_000)),
            ("0", Some(0)),
            ("0.000000001", Some(1)),
            ("0.0000000001", None),
            ("0.1000000000", Some(100_000_000)),
            ("18446744073.709551615", Some(u64::MAX)),
            ("18446744073.709551616", None),
            ("", None),
            ("1e3", None),
            ("-1", None),
            ("1.2.3", None),
            (".", None),
        ] {
            assert_eq!(parse_usd(text), nano.map(NanoDollars::new), "{text}");
        }
    }

    #[test]
    fn parse_scaled_decimal_cases() {
        for (text, nano) in [
            ("0.000003", Some(3_000_000_000)),
            ("3e-6", Some(3_000_000_000)),
            ("3E-06", Some(3_000_000_000)),
            ("0.00000005", Some(50_000_000)),
            ("0.000000000000001", Some(1)),
            ("0.0000000000000001", None),
            ("0.000000099999999999999995", None),
            ("-1", None),
            ("0", Some(0)),
            ("1e99999999999", None),
            ("1e2147483647", None),
            ("1e-2147483648", None),
        ] {
            assert_eq!(parse_scaled_decimal(text, 15), nano, "{text}");
        }
    }

    #[test]
    fn usd_formatting_round_trips() {
        for nano in [0, 1, 75_000_000, 1_000_000_000, 12_500_000_000, u64::MAX] {
            let amount = NanoDollars::new(nano);
            assert_eq!(parse_usd(&format_usd_exact(amount)), Some(amount));
        }
        assert_eq!(format_usd_exact(NanoDollars::new(75_000_000)), "0.075");
    }

    proptest::proptest! {
        #[test]
        fn scaling_preserves_digits(digits in 0_u64..1_000_000_000_000, places in 0_usize..15, zeros in 0_usize..4) {
            let all = format!("{digits:0>width$}", width = places + 1);
            let (whole, fraction) = all.split_at(all.len() - places);
            let text = format!("{whole}.{fraction}{}", "0".repeat(zeros));
            proptest::prop_assert_eq!(parse_scaled_decimal(&text, i32::try_from(places).unwrap()), Some(digits));
            let moved = format!("{digits}e-{places}");
            proptest::prop_assert_eq!(parse_scaled_decimal(&moved, i32::try_from(places).unwrap()), Some(digits));
        }
    }
}
