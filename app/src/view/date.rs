//! Days and moments, as people write and read them.

use jiff::civil::{self, Weekday};
use velo_protocol::value::Date;

/// Now, where the person is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moment {
    /// Milliseconds since the Unix epoch.
    pub wall_ms: u64,
    /// Seconds that the local time is ahead of UTC.
    pub offset_s: i32,
}

impl Moment {
    /// The local day, in days since 1970-01-01.
    pub fn today(self) -> i32 {
        self.day_of(self.wall_ms)
    }

    /// The local day of an instant.
    pub fn day_of(self, wall_ms: u64) -> i32 {
        let local = wall_ms as i64 / 1000 + i64::from(self.offset_s);
        local.div_euclid(86_400) as i32
    }

    fn minute_of(self, wall_ms: u64) -> i64 {
        (wall_ms as i64 / 1000 + i64::from(self.offset_s)).rem_euclid(86_400) / 60
    }
}

/// How pressing a due date is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// The day is over.
    Overdue,
    /// It is the day.
    Today,
    /// Within three days.
    Soon,
    /// Later.
    Later,
}

/// The day of a date, as days since 1970-01-01.
pub fn day_of(date: &Date, moment: Moment) -> i32 {
    match date {
        Date::Day(day) => *day,
        Date::At { ms, .. } => moment.day_of((*ms).max(0) as u64),
    }
}

/// How pressing a due date is today.
pub fn urgency(date: &Date, moment: Moment) -> Urgency {
    match day_of(date, moment) - moment.today() {
        ..0 => Urgency::Overdue,
        0 => Urgency::Today,
        1..=3 => Urgency::Soon,
        _ => Urgency::Later,
    }
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
/// Letters of a month's short name, and the fewest that name it.
const MONTH_LETTERS: usize = 3;
const WEEKDAYS: [(&str, &str); 7] = [
    ("monday", "Mon"),
    ("tuesday", "Tue"),
    ("wednesday", "Wed"),
    ("thursday", "Thu"),
    ("friday", "Fri"),
    ("saturday", "Sat"),
    ("sunday", "Sun"),
];

fn civil(day: i32) -> civil::Date {
    let epoch = civil::date(1970, 1, 1);
    epoch.saturating_add(jiff::Span::new().try_days(day).unwrap_or_default())
}

fn number(date: civil::Date) -> i32 {
    date.since(civil::date(1970, 1, 1)).map_or(0, |span| span.get_days())
}

fn weekday(date: civil::Date) -> (&'static str, &'static str) {
    WEEKDAYS[date.weekday().to_monday_zero_offset() as usize]
}

/// A day in few letters: `Today`, `Tomorrow`, `Fri 4 Dec`, and the year when it is another one.
pub fn day_text(day: i32, today: i32) -> String {
    match day - today {
        -1 => return "Yesterday".to_owned(),
        0 => return "Today".to_owned(),
        1 => return "Tomorrow".to_owned(),
        _ => {}
    }
    let (date, now) = (civil(day), civil(today));
    let month = &MONTHS[(date.month() - 1) as usize][..MONTH_LETTERS];
    if date.year() == now.year() || (day - today).abs() < 90 {
        format!("{} {} {month}", weekday(date).1, date.day())
    } else {
        format!("{} {month} {}", date.day(), date.year())
    }
}

/// A date, with the time of day if it has one.
pub fn date_text(date: &Date, moment: Moment) -> String {
    let day = day_text(day_of(date, moment), moment.today());
    match date {
        Date::Day(_) => day,
        Date::At { ms, .. } => {
            let minute = moment.minute_of((*ms).max(0) as u64);
            format!("{day} {:02}:{:02}", minute / 60, minute % 60)
        }
    }
}

/// A moment in the past, by the distance while it is short: `just now`, `5 min ago`, `2 h ago`.
pub fn ago(wall_ms: u64, moment: Moment) -> String {
    let seconds = moment.wall_ms.saturating_sub(wall_ms) / 1000;
    match seconds {
        0..60 => "just now".to_owned(),
        60..3600 => format!("{} min ago", seconds / 60),
        3600..36_000 => format!("{} h ago", seconds / 3600),
        _ => at(wall_ms, moment),
    }
}

/// A moment by day and time.
pub fn at(wall_ms: u64, moment: Moment) -> String {
    let minute = moment.minute_of(wall_ms);
    let day = day_text(moment.day_of(wall_ms), moment.today());
    format!("{day} {:02}:{:02}", minute / 60, minute % 60)
}

/// Reads a day: `today`, `tomorrow`, `friday`, `next week`, `in 3 days`, `+3`, `2026-12-04`,
/// `4.12.`, `4.12.2026`, `4 Dec`. A day without a year is the next one of that name.
pub fn parse_day(text: &str, today: i32) -> Option<i32> {
    let text = text.trim().to_lowercase();
    match text.as_str() {
        "today" => return Some(today),
        "tomorrow" => return Some(today + 1),
        "yesterday" => return Some(today - 1),
        "next week" => return Some(next_weekday(Weekday::Monday, today)),
        _ => {}
    }
    relative(&text, today)
        .or_else(|| named_weekday(&text, today))
        .or_else(|| iso(&text))
        .or_else(|| dotted(&text, today))
        .or_else(|| day_and_month(&text, today))
}

fn relative(text: &str, today: i32) -> Option<i32> {
    if let Some(days) = text.strip_prefix('+') {
        return days.parse::<u16>().ok().map(|days| today + i32::from(days));
    }
    let (count, unit) = text.strip_prefix("in ")?.split_once(' ')?;
    let count = i32::from(count.parse::<u16>().ok()?);
    match unit {
        "day" | "days" => Some(today + count),
        "week" | "weeks" => Some(today + 7 * count),
        _ => None,
    }
}

fn next_weekday(weekday: Weekday, today: i32) -> i32 {
    let from = civil(today).weekday().to_monday_zero_offset();
    let days = i32::from(weekday.to_monday_zero_offset() - from).rem_euclid(7);
    today + if days == 0 { 7 } else { days }
}

fn named_weekday(text: &str, today: i32) -> Option<i32> {
    let at = WEEKDAYS.iter().position(|(name, short)| text == *name || text.eq_ignore_ascii_case(short))?;
    Some(next_weekday(Weekday::from_monday_zero_offset(at as i8).ok()?, today))
}

/// A day and nothing else: jiff also takes days with a time, and would drop that.
fn iso(text: &str) -> Option<i32> {
    let signs = text.bytes().enumerate();
    let shaped =
        signs.filter(|(at, sign)| if matches!(at, 4 | 7) { *sign == b'-' } else { sign.is_ascii_digit() });
    let whole = text.len() == 10 && shaped.count() == 10;
    text.parse::<civil::Date>().ok().filter(|_| whole).map(number)
}

fn dotted(text: &str, today: i32) -> Option<i32> {
    let mut parts = text.strip_suffix('.').unwrap_or(text).split('.');
    let (day, month) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let year = parts.next().map(str::parse).transpose().ok()?;
    in_year(day, month, year, today)
}

fn day_and_month(text: &str, today: i32) -> Option<i32> {
    let mut words = text.split_whitespace();
    let day = words.next()?.parse().ok()?;
    let month = month(words.next()?)?;
    let year = words.next().map(str::parse).transpose().ok()?;
    if words.next().is_some() {
        return None;
    }
    in_year(day, month, year, today)
}

/// A month by its name or the beginning of it: "decking" is none.
fn month(text: &str) -> Option<i8> {
    let text = text.strip_suffix('.').unwrap_or(text);
    let begins = |month: &&str| month.get(..text.len()).is_some_and(|start| start.eq_ignore_ascii_case(text));
    let at = MONTHS.iter().position(begins).filter(|_| text.len() >= MONTH_LETTERS)?;
    Some(at as i8 + 1)
}

fn in_year(day: i8, month: i8, year: Option<i16>, today: i32) -> Option<i32> {
    if let Some(year) = year {
        return civil::Date::new(year, month, day).ok().map(number);
    }
    let year = civil(today).year();
    let this = civil::Date::new(year, month, day).ok().map(number);
    this.filter(|day| *day >= today).or_else(|| civil::Date::new(year + 1, month, day).ok().map(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sunday, 22 November 2026.
    const SUNDAY: i32 = 20_779;

    #[test]
    fn days_are_read_as_people_write_them() {
        for (text, days) in [
            ("today", 0),
            ("Tomorrow", 1),
            ("monday", 1),
            ("sunday", 7),
            ("Fri", 5),
            ("next week", 1),
            ("in 3 days", 3),
            ("in 2 weeks", 14),
            ("+10", 10),
            ("2026-11-30", 8),
            ("30.11.", 8),
            ("30.11.2026", 8),
            ("30 Nov", 8),
            ("30 november 2026", 8),
            ("30 Nove", 8),
            ("30 Nov.", 8),
        ] {
            assert_eq!(parse_day(text, SUNDAY), Some(SUNDAY + days), "{text}");
        }
        let none = ["", "someday", "32.1.", "2026-13-01", "in a while", "+x", "3 foo", "5 decking", "5 de"];
        let more = ["2026-12-04 14:30", "2026-12-04 12", "2026-12-04t14:30", "20261204", "4 dec 2026 12"];
        for text in none.iter().chain(&more) {
            assert_eq!(parse_day(text, SUNDAY), None, "{text}");
        }
    }

    #[test]
    fn a_day_without_a_year_lies_ahead() {
        assert_eq!(day_text(parse_day("1.2.", SUNDAY).unwrap(), SUNDAY), "Mon 1 Feb");
    }

    #[test]
    fn days_are_shown_in_few_letters() {
        assert_eq!(day_text(SUNDAY, SUNDAY), "Today");
        assert_eq!(day_text(SUNDAY + 5, SUNDAY), "Fri 27 Nov");
        assert_eq!(day_text(SUNDAY + 400, SUNDAY), "27 Dec 2027");
    }

    #[test]
    fn the_local_day_follows_the_zone() {
        let ms = (i64::from(SUNDAY) * 86_400_000 + 23 * 3_600_000) as u64;
        assert_eq!(Moment { wall_ms: ms, offset_s: 0 }.today(), SUNDAY);
        assert_eq!(Moment { wall_ms: ms, offset_s: 3600 }.today(), SUNDAY + 1);
    }
}
