use super::*;

/// 2026-11-20 19:00:00 UTC, a Friday.
const NOW: i64 = 1_795_201_200;

#[track_caller]
fn check(start: &str, end: &str, expect: &Result<(i64, i64), TimeError>) {
    let both = Time::parse(start).and_then(|start| Ok((start, Time::parse(end)?)));
    assert_eq!(
        both.and_then(|(start, end)| range(&start, &end, NOW, Tz::UTC)),
        *expect,
        "{start} to {end}"
    );
}

/// `text` is so many seconds from now.
#[track_caller]
fn from_now(text: &str, seconds: i64) {
    check(text, "now", &Ok((NOW + seconds, NOW)));
}

#[test]
fn offsets_count_from_what_they_name() {
    check("end-24h", "now", &Ok((NOW - 86_400, NOW)));
    check("-1d", "N", &Ok((NOW - 86_400, NOW)));
    check("end-1d2h", "now-1h", &Ok((NOW - 27 * 3600, NOW - 3600)));
    check(
        "1000000000",
        "start+10min",
        &Ok((1_000_000_000, 1_000_000_600)),
    );
    check("1000000000", "s+600", &Ok((1_000_000_000, 1_000_000_600)));
    check("now - 1 week", "n", &Ok((NOW - 604_800, NOW)));
    check("epoch+19711205s", "now", &Ok((19_711_205, NOW)));
}

#[test]
fn days_and_hours_are_those_of_the_clock() {
    from_now("noon", -7 * 3600);
    from_now("midnight tomorrow", 5 * 3600);
    from_now("teatime yesterday", -27 * 3600);
    from_now("20:15", 4500);
    from_now("8pm", 3600);
    from_now("12am today", -19 * 3600);
    from_now("9:30am monday", -4 * 86_400 - 34_200);
    from_now("noon 11/19/2026", -31 * 3600);
    from_now("20.11.2026 18:00", -3600);
    from_now("20261120", -19 * 3600);
    from_now("nov 19 2026", -86_400);
    from_now("12:00 nov 19", -31 * 3600);
    from_now("00:00 11/19", -86_400 - 19 * 3600);
}

#[test]
fn months_are_those_of_the_calendar() {
    from_now("-1month", -31 * 86_400);
    from_now("-1m", -31 * 86_400);
    from_now("-6m", -360);
    from_now("-1h5m", -3900);
    from_now("-1d5m", -86_400 - 153 * 86_400);
    from_now("-1y", -365 * 86_400);
}

#[test]
fn circles_are_refused() {
    check("end-1h", "start+1h", &Err(TimeError::Circle));
    check("start-1h", "now", &Err(TimeError::Itself("start")));
    check("now", "end-1h", &Err(TimeError::Itself("end")));
}

#[test]
fn what_is_not_understood_is_named() {
    for (text, expect) in [
        ("", "unparsable time: "),
        ("monday", "unparsable time: monday"),
        ("5000", "did you really mean month 5000?"),
        ("5/40", "I'm afraid that 40 is not a valid day of the month"),
        (
            "1/1/1950",
            "invalid year 1950 (should be either 00-99 or >1900)",
        ),
        (
            "1/1/50",
            "won't handle dates before epoch (01/01/1970), sorry",
        ),
        ("13pm", "there cannot be more than 12 AM or PM hours"),
        ("10:75", "parsing HH:MM syntax, got MM = 75 (>59!)"),
        ("end", "'start' or 'end' MUST be followed by +|- offset"),
        (
            "now noon",
            "if 'now' is followed by a token it must be +|- offset",
        ),
        ("now-", "There should be number after '-'"),
        ("-1d-", "There should be number after '-'"),
        ("1000000000.5", "unparsable trailing text: '....5'"),
        ("noon now", "unparsable trailing text: '...now'"),
        (
            "-99999999999y",
            "the specified time is incorrect (out of range?)",
        ),
        (
            "99999999999999999999",
            "the specified time is incorrect (out of range?)",
        ),
    ] {
        assert_eq!(Time::parse(text).unwrap_err().to_string(), expect, "{text}");
    }
}
