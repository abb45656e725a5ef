//! Paid time: whole months of the calendar.

use crate::model::Timestamp;

/// `months` months later, on the same day or the last of the month.
pub fn months_later(time: Timestamp, months: u32) -> Timestamp {
    let text = time.to_string();
    let fields = (|| {
        let (year, month, day) = (text.get(..4)?, text.get(5..7)?, text.get(8..10)?);
        Some((year.parse::<u32>().ok()?, month.parse::<u32>().ok()?, day.parse::<u32>().ok()?))
    })();
    let Some((year, month, day)) = fields else { return time };
    let index = year * 12 + (month.max(1) - 1) + months;
    let rest = text.get(10..).unwrap_or_default();
    let date = |day: u32| format!("{:04}-{:02}-{day:02}{rest}", index / 12, index % 12 + 1);
    (0..4).find_map(|back| Timestamp::parse(&date(day.saturating_sub(back)))).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_end_on_days_that_exist() {
        let later = |text: &str, months| months_later(Timestamp::parse(text).unwrap(), months).to_string();
        assert_eq!(later("2024-01-31T10:00:00Z", 1), "2024-02-29T10:00:00Z");
        assert_eq!(later("2023-12-15T10:00:00.250Z", 1), "2024-01-15T10:00:00.250Z");
        assert_eq!(later("2023-03-31T00:00:00Z", 60), "2028-03-31T00:00:00Z");
        assert_eq!(months_later(Timestamp(i64::MAX), 1), Timestamp(i64::MAX));
    }
}
