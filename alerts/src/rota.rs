//! Rotas: who is on call at a moment. Members take turns; exceptions name somebody else for a time. Pure.

use chrono::{Datelike, NaiveDate, Weekday};
use chrono_tz::Tz;
use ravenry_plugins::timestamp::Timestamp;

use crate::rule::ContactName;
use crate::wall;

/// People who take turns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rota {
    /// Its name, by which rules name it as they name a contact.
    pub name: ContactName,
    /// Who takes turns, in order; never empty.
    pub members: Vec<ContactName>,
    /// By whose clocks.
    pub zone: Tz,
    /// The first member's turn begins with the hand-over on this day, or with the first one after it.
    pub start: NaiveDate,
    /// When one hands over to the next.
    pub handover: Handover,
    /// Times in which somebody else is on call; of those that hold at once the last one wins.
    pub overrides: Vec<Override>,
}

/// When turns end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handover {
    /// Each week on this day, at this minute of the day.
    Weekly(Weekday, u32),
    /// Each day at this minute.
    Daily(u32),
}

/// Somebody else is on call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// From when.
    pub from: Timestamp,
    /// Until before when.
    pub to: Timestamp,
    /// Who.
    pub who: ContactName,
}

/// Who is on call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnCall<'a> {
    /// Who.
    pub who: &'a ContactName,
    /// Until when nothing changes.
    pub until: Timestamp,
    /// Whether by an exception.
    pub overridden: bool,
}

impl Rota {
    /// Who is on call; nobody only where there is no member.
    #[must_use]
    pub fn on_call(&self, now: Timestamp) -> Option<OnCall<'_>> {
        let (turn, ends) = self.turn(now);
        let count = i64::try_from(self.members.len()).unwrap_or(i64::MAX);
        let member = turn.checked_rem_euclid(count)?;
        let member = self.members.get(usize::try_from(member).ok()?)?;
        let changes = self.overrides.iter().flat_map(|it| [it.from, it.to]);
        let until = changes.filter(|at| *at > now).chain([ends]).min();
        let mut holding = self.overrides.iter().rev();
        let instead = holding.find(|it| it.from <= now && now < it.to);
        Some(OnCall {
            who: instead.map_or(member, |it| &it.who),
            until: until.unwrap_or(ends),
            overridden: instead.is_some(),
        })
    }

    /// How many hand-overs there were since the first one, and when the next one is.
    fn turn(&self, now: Timestamp) -> (i64, Timestamp) {
        let (days, minute) = match self.handover {
            Handover::Weekly(_, minute) => (7, minute),
            Handover::Daily(minute) => (1, minute),
        };
        let first = self.first_day();
        let today = wall::shown(self.zone, now).date();
        let since = today.signed_duration_since(first).num_days();
        let mut turn = since.div_euclid(days);
        let moment =
            |turn: i64| wall::first_moment(self.zone, wall::days_from(first, turn * days), minute);
        if moment(turn) > now {
            turn -= 1;
        }
        (turn, moment(turn + 1))
    }

    fn first_day(&self) -> NaiveDate {
        match self.handover {
            Handover::Daily(_) => self.start,
            Handover::Weekly(weekday, _) => {
                let from = self.start.weekday().num_days_from_monday();
                let to = weekday.num_days_from_monday();
                wall::days_from(self.start, i64::from((to + 7 - from) % 7))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use chrono::NaiveDateTime;
    use expect_test::{Expect, expect};

    use super::*;

    fn at(text: &str) -> Timestamp {
        let at = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").unwrap();
        Timestamp::from_seconds(at.and_utc().timestamp())
    }

    fn rota(handover: Handover) -> Rota {
        Rota {
            name: ContactName::new("oncall"),
            members: ["anna", "ben", "cleo"].map(ContactName::new).to_vec(),
            zone: wall::parse_zone("Europe/Berlin").unwrap(),
            start: NaiveDate::from_ymd_opt(2026, 1, 1).unwrap(),
            handover,
            overrides: Vec::new(),
        }
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "a test reads as lines of data"
    )]
    fn check(rota: &Rota, from: &str, turns: usize, expect: Expect) {
        let mut now = at(from);
        let mut found = String::new();
        for _ in 0..turns {
            let on_call = rota.on_call(now).unwrap();
            let until = chrono::DateTime::from_timestamp(on_call.until.seconds(), 0).unwrap();
            let until = until.format("%a %m-%d %H:%M");
            let why = if on_call.overridden { " instead" } else { "" };
            writeln!(found, "{} until {until}{why}", on_call.who).unwrap();
            now = on_call.until;
        }
        expect.assert_eq(&found);
    }

    #[test]
    fn members_take_turns_from_the_first_handover_on_by_the_clock_on_the_wall() {
        let weekly = rota(Handover::Weekly(Weekday::Mon, 540));
        check(
            &weekly,
            "2026-01-05 07:59",
            3,
            expect![[r#"
                cleo until Mon 01-05 08:00
                anna until Mon 01-12 08:00
                ben until Mon 01-19 08:00
            "#]],
        );
        // The clocks go forward on 03-29.
        check(
            &weekly,
            "2026-03-26 00:00",
            2,
            expect![[r#"
                cleo until Mon 03-30 07:00
                anna until Mon 04-06 07:00
            "#]],
        );
    }

    #[test]
    fn somebody_else_is_on_call_for_as_long_as_an_override_says() {
        let mut weekly = rota(Handover::Weekly(Weekday::Mon, 540));
        let instead = |from, to, who| Override {
            from: at(from),
            to: at(to),
            who: ContactName::new(who),
        };
        weekly.overrides = vec![
            instead("2026-01-10 00:00", "2026-01-13 00:00", "dora"),
            instead("2026-01-11 00:00", "2026-01-11 12:00", "cleo"),
        ];
        check(
            &weekly,
            "2026-01-09 00:00",
            6,
            expect![[r#"
                anna until Sat 01-10 00:00
                dora until Sun 01-11 00:00 instead
                cleo until Sun 01-11 12:00 instead
                dora until Mon 01-12 08:00 instead
                dora until Tue 01-13 00:00 instead
                ben until Mon 01-19 08:00
            "#]],
        );
    }

    #[test]
    fn a_handover_in_an_hour_that_comes_twice_happens_once() {
        let daily = rota(Handover::Daily(150));
        check(
            &daily,
            "2026-10-24 12:00",
            3,
            expect![[r#"
                cleo until Sun 10-25 00:30
                anna until Mon 10-26 01:30
                ben until Tue 10-27 01:30
            "#]],
        );
    }
}
