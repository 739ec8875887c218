//! Times as senders write them, with or without an offset.

use std::fmt;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, Zoned};
use serde::{Deserialize, Serialize};

/// A date and time as a sender wrote it, so that people are shown the store's
/// own local time.
///
/// With an offset it is a moment. Without one it is a wall clock time at the
/// sender's place: times of the same sender can be ordered, and nothing more is
/// known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LocalTime {
    wall: DateTime,
    offset: Option<Offset>,
}

impl LocalTime {
    /// Parses a time in any unambiguous spelling. A time without an offset is
    /// taken to be in `zone`, if that is known. A time that names a moment but
    /// no place (`Z`, `UTC`, seconds since 1970) is converted to `zone`.
    ///
    /// Accepted are RFC 3339 and its variants (a space instead of the `T`, a
    /// space before the offset, `+0300`, `+03`, a trailing `UTC`, any number of
    /// fractional digits), RFC 2822, seconds or milliseconds since 1970 (10 or
    /// 13 digits), and the default formats of Go, JavaScript and .NET. Dates
    /// without a time, and dates that begin with the day or the month, are
    /// refused.
    #[must_use]
    pub fn read(text: &str, zone: Option<&TimeZone>) -> Option<LocalTime> {
        let text = text.trim();
        if text.len() > TEXT_BYTES_MAX || !text.is_ascii() {
            return None;
        }
        let read = since_1970(text)
            .or_else(|| year_first(text))
            .or_else(|| iso_basic(text))
            .or_else(|| rfc_2822(text))
            .or_else(|| javascript(text))?;
        Some(match (read, zone) {
            (Read::Moment(at), Some(zone)) => LocalTime::in_zone(at, zone),
            (Read::Moment(at), None) => {
                LocalTime { wall: Offset::UTC.to_datetime(at), offset: Some(Offset::UTC) }
            }
            (Read::Offset(wall, offset), _) => {
                offset.to_timestamp(wall).ok()?; // checks that the moment is in the supported range
                LocalTime { wall, offset: Some(offset) }
            }
            // When a clock is put back, a local time occurs twice: the earlier
            // moment is used, which is as good as the other.
            (Read::Wall(wall), Some(zone)) => {
                LocalTime::in_zone(zone.to_timestamp(wall).ok()?, zone)
            }
            (Read::Wall(wall), None) => LocalTime { wall, offset: None },
        })
    }

    fn in_zone(at: Timestamp, zone: &TimeZone) -> LocalTime {
        let offset = zone.to_offset(at);
        LocalTime { wall: offset.to_datetime(at), offset: Some(offset) }
    }

    /// The moment, if the offset is known.
    #[must_use]
    pub fn timestamp(self) -> Option<Timestamp> {
        self.offset?.to_timestamp(self.wall).ok()
    }

    /// The earliest possible moment: without an offset, the moment at the place
    /// where this local time comes first.
    #[must_use]
    pub fn earliest(self) -> Option<Timestamp> {
        self.offset.unwrap_or(FIRST_OFFSET).to_timestamp(self.wall).ok()
    }

    /// The moment. Without an offset, the time is taken as UTC, which is good
    /// enough to compare times of one sender.
    #[must_use]
    pub fn nominal(self) -> Option<Timestamp> {
        self.offset.unwrap_or(Offset::UTC).to_timestamp(self.wall).ok()
    }

    /// The local time that the sender wrote, without its offset.
    #[must_use]
    pub fn on_the_wall(self) -> DateTime {
        self.wall
    }
}

/// The offset of the places where every day begins first.
const FIRST_OFFSET: Offset = Offset::constant(14);

/// The longest text that is parsed, in bytes: JavaScript's zone names are long.
const TEXT_BYTES_MAX: usize = 100;

/// What a text says about a time.
enum Read {
    /// A moment without a place.
    Moment(Timestamp),
    /// A local time with its offset.
    Offset(DateTime, Offset),
    /// A local time without an offset.
    Wall(DateTime),
}

/// `1795849200`, `1795849200123`, both also with a fraction, and .NET's
/// `/Date(1795849200123+0300)/`.
fn since_1970(text: &str) -> Option<Read> {
    let dotnet = text.strip_prefix("/Date(").and_then(|rest| rest.strip_suffix(")/"));
    if let Some(inner) = dotnet {
        // The offset after the number does not change the moment.
        let digits = inner.get(..13).filter(|digits| is_digits(digits))?;
        let rest = &inner[13..];
        let is_offset = rest.len() == 5 && rest.starts_with(['+', '-']) && is_digits(&rest[1..]);
        return (rest.is_empty() || is_offset)
            .then(|| millisecond(digits))
            .flatten()
            .map(Read::Moment);
    }
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !is_digits(whole)
        || !fraction.bytes().all(|byte| byte.is_ascii_digit())
        || text.ends_with('.')
    {
        return None;
    }
    match whole.len() {
        10 => {
            let nanoseconds = nanoseconds(fraction);
            Timestamp::new(whole.parse().ok()?, nanoseconds).ok().map(Read::Moment)
        }
        13 => millisecond(whole).map(Read::Moment),
        _ => None,
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn millisecond(digits: &str) -> Option<Timestamp> {
    Timestamp::from_millisecond(digits.parse().ok()?).ok()
}

/// The digits of a fraction as nanoseconds. Digits after the ninth are ignored.
fn nanoseconds(fraction: &str) -> i32 {
    let digits = fraction.bytes().chain(std::iter::repeat(b'0')).take(9);
    digits.fold(0, |sum, digit| sum * 10 + i32::from(digit - b'0'))
}

/// `2026-11-28T10:00:00.25+03:00` and its variants.
fn year_first(text: &str) -> Option<Read> {
    let date = text.get(..10)?;
    let separator = date.as_bytes()[4];
    let is_date = date.bytes().enumerate().all(|(place, byte)| match place {
        4 | 7 => byte == separator && matches!(byte, b'-' | b'/' | b'.'),
        _ => byte.is_ascii_digit(),
    });
    if !is_date {
        return None;
    }
    let number = |from: usize, to: usize| date[from..to].parse::<i16>().ok();
    let small = |value: i16| i8::try_from(value).ok();
    let date = Date::new(number(0, 4)?, small(number(5, 7)?)?, small(number(8, 10)?)?).ok()?;
    let rest = text.get(10..)?;
    let rest = rest.strip_prefix(['T', 't', ' '])?.trim_start();
    let (hour, rest) = two_digits(rest)?;
    let (minute, mut rest) = two_digits(rest.strip_prefix(':')?)?;
    let (mut second, mut fraction) = (0, "");
    if let Some(after) = rest.strip_prefix(':') {
        (second, rest) = two_digits(after)?;
        if let Some(after) = rest.strip_prefix(['.', ',']) {
            let length = after.bytes().take_while(u8::is_ascii_digit).count();
            (fraction, rest) = after.split_at(length);
            if fraction.is_empty() {
                return None;
            }
        }
    }
    // A leap second becomes the last second of its minute; 24:00 is the
    // beginning of the next day.
    let second = if second == 60 { 59 } else { second };
    let is_end =
        (hour, minute, second) == (24, 0, 0) && fraction.bytes().all(|digit| digit == b'0');
    let wall = if is_end {
        date.tomorrow().ok()?.at(0, 0, 0, 0)
    } else {
        DateTime::from_parts(date, Time::new(hour, minute, second, nanoseconds(fraction)).ok()?)
    };
    Some(match zone(rest.trim())? {
        Zone::Nowhere => Read::Wall(wall),
        Zone::At(offset) => Read::Offset(wall, offset),
        Zone::Utc => Offset::UTC.to_timestamp(wall).map_or(Read::Wall(wall), Read::Moment),
        Zone::Named(zone) => Read::Offset(wall, zone.to_offset(zone.to_timestamp(wall).ok()?)),
    })
}

fn two_digits(text: &str) -> Option<(i8, &str)> {
    let digits = text.get(..2).filter(|digits| is_digits(digits))?;
    Some((digits.parse().ok()?, &text[2..]))
}

enum Zone {
    Nowhere,
    Utc,
    At(Offset),
    Named(TimeZone),
}

/// Parses what follows a time: nothing, `Z`, `UTC`, `+03:00`, `UTC+3`,
/// `Europe/Moscow`. A name after the offset (`+0300 MSK`) is ignored.
fn zone(text: &str) -> Option<Zone> {
    if text.is_empty() {
        return Some(Zone::Nowhere);
    }
    let upper = text.to_ascii_uppercase();
    if ["Z", "UTC", "GMT", "UT"].contains(&upper.as_str()) {
        return Some(Zone::Utc);
    }
    // Zone names have a slash. `MSK` and similar abbreviations mean different
    // zones in different places.
    if text.contains('/') && !text.starts_with(['+', '-']) {
        return TimeZone::get(text).ok().map(Zone::Named);
    }
    let number = ["UTC", "GMT"]
        .iter()
        .find_map(|name| upper.strip_prefix(name))
        .unwrap_or(&upper)
        .trim_start();
    let negative = number.starts_with('-');
    let number = number.strip_prefix(['+', '-'])?;
    let (digits, name) = match number.find(|sign: char| !sign.is_ascii_digit() && sign != ':') {
        Some(end) => number.split_at(end),
        None => (number, ""),
    };
    // Go writes "+0300 MSK m=+0.01", RFC 9557 "+03:00[Europe/Moscow]".
    if !(name.is_empty() || name.starts_with([' ', '[', '('])) {
        return None;
    }
    let digits = digits.replace(':', "");
    let part = |from: usize, to: usize| {
        digits.get(from..to).map_or(Some(0), |part| part.parse::<i32>().ok())
    };
    let (hours, minutes, seconds) = match digits.len() {
        1 => (part(0, 1)?, 0, 0),
        2 => (part(0, 2)?, 0, 0),
        4 => (part(0, 2)?, part(2, 4)?, 0),
        6 => (part(0, 2)?, part(2, 4)?, part(4, 6)?),
        _ => return None,
    };
    if hours > 18 || minutes > 59 || seconds > 59 {
        return None;
    }
    let size = hours * 3600 + minutes * 60 + seconds;
    Offset::from_seconds(if negative { -size } else { size }).ok().map(Zone::At)
}

/// `20261128T100000Z`, and RFC 9557 with only the name of a zone.
fn iso_basic(text: &str) -> Option<Read> {
    if let Ok(zoned) = text.parse::<Zoned>() {
        return Some(Read::Offset(zoned.datetime(), zoned.offset()));
    }
    let pieces = jiff::fmt::temporal::DateTimeParser::new().parse_pieces(text).ok()?;
    let wall = pieces.date().to_datetime(pieces.time()?);
    Some(match pieces.to_numeric_offset() {
        Some(offset) if offset == Offset::UTC => Read::Moment(offset.to_timestamp(wall).ok()?),
        Some(offset) => Read::Offset(wall, offset),
        None => Read::Wall(wall),
    })
}

/// `Sat, 28 Nov 2026 10:00:00 +0300`
fn rfc_2822(text: &str) -> Option<Read> {
    // `GMT` and the like come from HTTP and old mail programs, and say nothing
    // about the sender's place.
    let is_utc = text.ends_with(" GMT")
        || text.ends_with(" UT")
        || text.ends_with(" UTC")
        || text.ends_with(" Z");
    let zoned =
        jiff::fmt::rfc2822::DateTimeParser::new().relaxed_weekday(true).parse_zoned(text).ok()?;
    Some(if is_utc {
        Read::Moment(zoned.timestamp())
    } else {
        Read::Offset(zoned.datetime(), zoned.offset())
    })
}

/// `Sat Nov 28 2026 10:00:00 GMT+0300 (Moscow Standard Time)`
fn javascript(text: &str) -> Option<Read> {
    let plain = text.split(" (").next().unwrap_or_default();
    let zoned = Zoned::strptime("%a %b %d %Y %H:%M:%S GMT%z", plain).ok()?;
    Some(Read::Offset(zoned.datetime(), zoned.offset()))
}

impl fmt::Display for LocalTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(offset) = self.offset else { return write!(f, "{}", self.wall) };
        let seconds = offset.seconds();
        let (sign, minutes) = (if seconds < 0 { '-' } else { '+' }, seconds.abs() / 60);
        write!(f, "{}{sign}{:02}:{:02}", self.wall, minutes / 60, minutes % 60)
    }
}

impl Serialize for LocalTime {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        crate::short_text::serialize_text(self, serializer)
    }
}

impl<'de> Deserialize<'de> for LocalTime {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<LocalTime, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        LocalTime::read(&text, None).ok_or_else(|| {
            serde::de::Error::custom(format_args!(
                "{text:?} is not a time such as 2026-11-28T10:00:00+03:00"
            ))
        })
    }
}

#[cfg(test)]
mod tests;
