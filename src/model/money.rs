//! Decimal amounts with their currency. No floats.

use serde::{Deserialize, Serialize};
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

/// By how much a price may rise above the one that was approved: hundredths of a percent. A price that falls is no change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PriceTolerance(u32);

impl PriceTolerance {
    /// No rise at all.
    pub const NONE: Self = Self(0);

    /// Whether a price is at most the approved one and the tolerance. What cannot be read is no price.
    pub fn admits(self, approved: &str, now: &str) -> bool {
        let (Some(approved), Some(now)) = (Amount::parse(approved), Amount::parse(now)) else { return approved == now };
        i128::from(now.0) * 10_000 <= i128::from(approved.0) * (10_000 + i128::from(self.0))
    }

    /// Whether it is zero.
    pub fn is_none(&self) -> bool {
        self.0 == 0
    }
}

impl std::str::FromStr for PriceTolerance {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.strip_suffix('%').unwrap_or(text).trim_end();
        let (_, decimals) = number.split_once('.').unwrap_or((number, ""));
        let hundredths = Amount::parse(number).filter(|amount| amount.0 >= 0 && decimals.len() <= 2);
        // Amounts are ten-thousandths.
        let hundredths = hundredths.and_then(|amount| u32::try_from(amount.0 / 100).ok());
        hundredths.filter(|number| *number <= 100_000).map(Self).ok_or_else(|| {
            format!(
                "`{text}` is not a percentage: write a number from 0 to 1000 with at most two decimals, such as 2.5"
            )
        })
    }
}

impl fmt::Display for PriceTolerance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0 / 100, self.0 % 100) {
            (whole, 0) => write!(f, "{whole} %"),
            (whole, hundredths) => write!(f, "{whole}.{hundredths:02} %"),
        }
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

    #[test]
    fn reads_and_writes_tolerances() {
        for (text, shown) in [("0", "0 %"), ("5", "5 %"), ("2.5%", "2.50 %"), ("0.01", "0.01 %"), ("1000 %", "1000 %")]
        {
            assert_eq!(text.parse::<PriceTolerance>().unwrap().to_string(), shown);
        }
        for bad in ["", "-1", "1001", "1.234", "x", "5 percent", "%"] {
            assert!(bad.parse::<PriceTolerance>().is_err(), "{bad}");
        }
    }
}
