//! Decimal amounts with their currency. No floats.

use std::fmt;

/// An amount in ten-thousandths of the currency's unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Amount(pub i64);

impl Amount {
    /// Reads a decimal text such as `12`, `12.5` or `-0.1234`; more than four decimals are cut.
    pub fn parse(text: &str) -> Option<Self> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        if whole.is_empty() || !fraction.bytes().chain(whole.bytes()).all(|b| b.is_ascii_digit()) {
            return None;
        }
        let mut scaled: i64 = whole.parse().ok()?;
        for i in 0..4 {
            let digit = fraction.as_bytes().get(i).map_or(0, |b| i64::from(b - b'0'));
            scaled = scaled.checked_mul(10)?.checked_add(digit)?;
        }
        Some(Self(if negative { -scaled } else { scaled }))
    }

    /// Reads the number that the API gives for a price.
    pub fn from_json(value: &serde_json::Value) -> Option<Self> {
        Self::parse(&value.as_number()?.to_string())
    }

    /// An equal share among `count`, rounded down to what can be written.
    #[must_use]
    pub fn divided(self, count: i64) -> Self {
        Self(self.0.checked_div(count).unwrap_or(self.0))
    }

    /// `self` × `count`.
    #[must_use]
    pub fn times(self, count: u32) -> Self {
        Self(self.0.saturating_mul(i64::from(count)))
    }
}

impl std::ops::Add for Amount {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let abs = self.0.unsigned_abs();
        let text = format!("{sign}{}.{:04}", abs / 10_000, abs % 10_000);
        // Two decimals as money is written; more only where they are not zero.
        f.write_str(text.strip_suffix("00").unwrap_or(&text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_decimals() {
        for (text, shown) in [("12", "12.00"), ("12.5", "12.50"), ("-0.1234", "-0.1234"), ("0.00001", "0.00")] {
            assert_eq!(Amount::parse(text).unwrap().to_string(), shown);
        }
        for bad in ["", ".5", "1e3", "1,5", "abc"] {
            assert_eq!(Amount::parse(bad), None, "{bad}");
        }
        assert_eq!((Amount::parse("1.25").unwrap().times(3) + Amount(1)).to_string(), "3.7501");
    }
}
