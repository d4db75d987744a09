//! Dates as people write them, and as they are shown.

use super::ApiError;
use jiff::{
    Timestamp, ToSpan, Zoned,
    civil::{self, Weekday},
    tz::TimeZone,
};
use velo_protocol::{time::Hlc, value::Date};

const EPOCH: civil::Date = civil::date(1970, 1, 1);

/// Reads `2026-12-01`, `2026-12-01T14:30`, `today`, `tomorrow`, `friday` (the next one, never
/// today), `3d` or `2w` (from today). `now` is the moment and zone of the person who wrote it.
pub fn parse(text: &str, now: &Zoned) -> Result<Date, ApiError> {
    let wanted = text.trim().to_lowercase();
    let day = match wanted.as_str() {
        "today" => Some(now.date()),
        "tomorrow" => now.date().tomorrow().ok(),
        word => weekday(word)
            .and_then(|weekday| now.date().nth_weekday(1, weekday).ok())
            .or_else(|| in_days(word).and_then(|days| now.date().checked_add(days.days()).ok()))
            .or_else(|| word.parse().ok().filter(|_| !word.contains(['t', ' ']))),
    };
    if let Some(day) = day {
        return Ok(Date::Day(days_since_epoch(day)));
    }
    let instant = wanted.to_uppercase().parse::<civil::DateTime>().ok();
    let instant = instant.and_then(|at| at.to_zoned(now.time_zone().clone()).ok());
    instant.map(|at| at_instant(&at)).ok_or_else(|| {
        ApiError::Invalid(format!(
            "\"{text}\" is not a date: write 2026-12-01, 2026-12-01T14:30, today, tomorrow, friday, 3d or 2w"
        ))
    })
}

fn at_instant(at: &Zoned) -> Date {
    let zone = at.time_zone().iana_name().unwrap_or("UTC");
    Date::At { ms: at.timestamp().as_millisecond(), zone: zone.into() }
}

fn weekday(word: &str) -> Option<Weekday> {
    const NAMES: [(&str, Weekday); 7] = [
        ("monday", Weekday::Monday),
        ("tuesday", Weekday::Tuesday),
        ("wednesday", Weekday::Wednesday),
        ("thursday", Weekday::Thursday),
        ("friday", Weekday::Friday),
        ("saturday", Weekday::Saturday),
        ("sunday", Weekday::Sunday),
    ];
    let fits = |name: &str| name == word || (word.len() == 3 && name.starts_with(word));
    NAMES.iter().find(|(name, _)| fits(name)).map(|(_, weekday)| *weekday)
}

fn in_days(word: &str) -> Option<i32> {
    let (number, unit) = word.split_at_checked(word.len().checked_sub(1)?)?;
    let number = i32::from(number.parse::<u16>().ok()?);
    match unit {
        "d" => Some(number),
        "w" => number.checked_mul(7),
        _ => None,
    }
}

fn days_since_epoch(day: civil::Date) -> i32 {
    (day.duration_since(EPOCH).as_hours() / 24) as i32
}

/// `2026-12-01`, or `2026-12-01 14:30 Europe/Zurich`.
pub fn show(date: &Date) -> String {
    match date {
        Date::Day(days) => {
            EPOCH.checked_add(days.days()).map_or_else(|_| days.to_string(), |d| d.to_string())
        }
        Date::At { ms, zone } => {
            let tz = TimeZone::get(zone).unwrap_or(TimeZone::UTC);
            Timestamp::from_millisecond(*ms).map_or_else(
                |_| ms.to_string(),
                |at| format!("{} {zone}", at.to_zoned(tz).strftime("%Y-%m-%d %H:%M")),
            )
        }
    }
}

/// The moment of a stamp in RFC 3339, UTC.
pub fn stamp(hlc: Hlc) -> String {
    moment(hlc.ms())
}

/// Milliseconds since the epoch in RFC 3339, UTC.
pub fn moment(ms: u64) -> String {
    let at = i64::try_from(ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    at.map_or_else(|| ms.to_string(), |at| at.to_string())
}

/// Milliseconds since the epoch by this device's clock.
pub fn wall_ms() -> u64 {
    u64::try_from(Timestamp::now().as_millisecond()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Zoned {
        // A Sunday.
        civil::date(2026, 11, 22).at(15, 0, 0, 0).in_tz("Europe/Zurich").unwrap()
    }

    fn read(text: &str) -> String {
        show(&parse(text, &now()).unwrap())
    }

    #[test]
    fn dates_are_read_as_people_write_them() {
        assert_eq!(read("2026-12-01"), "2026-12-01");
        assert_eq!(read("Today"), "2026-11-22");
        assert_eq!(read("tomorrow"), "2026-11-23");
        assert_eq!(read("friday"), "2026-11-27");
        assert_eq!(read("sun"), "2026-11-29");
        assert_eq!(read("2w"), "2026-12-06");
        assert_eq!(read("1969-12-31"), "1969-12-31");
        assert_eq!(read("2026-12-01T14:30"), "2026-12-01 14:30 Europe/Zurich");
        assert_eq!(read("2026-12-01 14:30"), "2026-12-01 14:30 Europe/Zurich");
    }

    #[test]
    fn what_is_no_date_is_refused_with_examples() {
        for text in ["", "soon", "2026-13-01", "2026-02-30", "d", "-1d", "99999999d", "ä", "1ä"] {
            let error = parse(text, &now()).unwrap_err();
            assert!(error.to_string().contains("2026-12-01"), "{text}: {error}");
        }
    }
}
