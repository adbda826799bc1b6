//! The `Date` header's value.

use std::fmt;

/// A moment as HTTP writes it: `Sun, 06 Nov 1994 08:49:37 GMT`. Whoever answers keeps it for a second.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Date([u8; 29]);

const DAYS: &[u8] = b"ThuFriSatSunMonTueWed";
const MONTHS: &[u8] = b"JanFebMarAprMayJunJulAugSepOctNovDec";

impl Date {
    /// The moment so many seconds after the beginning of 1970, of a year with four digits.
    pub fn at(unix_seconds: u64) -> Self {
        let (days, second) = (unix_seconds / 86_400, unix_seconds % 86_400);
        let (year, month, day) = civil(days);
        let mut text = *b"Ddd, 00 Mmm 0000 00:00:00 GMT";
        let weekday = (days % 7) as usize * 3;
        text[..3].copy_from_slice(&DAYS[weekday..weekday + 3]);
        put(&mut text[5..7], day);
        let name = (month as usize - 1) * 3;
        text[8..11].copy_from_slice(&MONTHS[name..name + 3]);
        put(&mut text[12..14], year / 100 % 100);
        put(&mut text[14..16], year % 100);
        put(&mut text[17..19], second / 3_600);
        put(&mut text[20..22], second / 60 % 60);
        put(&mut text[23..25], second % 60);
        Self(text)
    }

    /// The text, all ASCII.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

fn put(digits: &mut [u8], value: u64) {
    digits[0] = b'0' + (value / 10) as u8;
    digits[1] = b'0' + (value % 10) as u8;
}

/// Year, month and day of the `days`-th day after 1970-01-01.
///
/// Years are counted from March, so that the leap day is the last of its year; 400 of them always have 146,097 days.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468; // since 0000-03-01
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153; // months have 30.6 days
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_of_every_kind_of_year() {
        for (seconds, text) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (1_709_251_199, "Thu, 29 Feb 2024 23:59:59 GMT"),
            (1_709_251_200, "Fri, 01 Mar 2024 00:00:00 GMT"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
            (253_402_300_799, "Fri, 31 Dec 9999 23:59:59 GMT"),
        ] {
            assert_eq!(format!("{:?}", Date::at(seconds)), text);
        }
    }
}
