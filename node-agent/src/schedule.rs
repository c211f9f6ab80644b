//! Decides which plugin runs when. Pure: the caller says what time it is and carries out what it is told.
//!
//! ```text
//!              plugin found            start_due(now)             handle_finished(now)
//!   (absent) ───────────────► waiting ───────────────► running ───────────────────────► waiting
//!                             due: now                                                    due: see below
//! ```
//!
//! - Everything is read at once after a start, and again after [`SECOND_READING`], so that rates are known early. From
//!   then on a plugin is due at its own point of each interval, a hash of its name, so that the load is even. Those that
//!   cost less together, the bundled ones, share a point.
//! - A plugin never overlaps itself: points that pass while it runs are skipped. At most `concurrency_max` run at a time,
//!   the longest due first; instant ones run besides.
//! - A slow plugin delays no other: a run that takes [`SLOW_AFTER`] gives its place up and goes on in the slow lane, where
//!   its next run begins. The slow lane has [`SLOW_LANE`] times as many places; who finds none there keeps its own.
//! - Its `config` is asked at its first run, when its file has changed, and each [`CONFIG_AGE_MAX`].
//! - From the third failed run in a row on, the pause doubles with each, up to [`BACK_OFF_MAX`]; a changed file ends it.
//! - `now` is monotonic: a step of the wall clock, or a suspended machine, moves nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

#[cfg(test)]
mod tests;

/// How long after the first reading the second one follows.
pub const SECOND_READING: Duration = Duration::from_secs(10);
/// How old what `config` said may become before it is asked again.
pub const CONFIG_AGE_MAX: Duration = Duration::from_secs(3600);
/// How old it must be before a surprise in the readings lets it be asked again.
pub const CONFIG_AGE_MIN: Duration = Duration::from_secs(240);
/// A run that takes longer than this is slow.
pub const SLOW_AFTER: Duration = Duration::from_secs(2);
/// Places for slow runs, for each place of others.
pub const SLOW_LANE: usize = 4;
/// The longest pause of a plugin that fails again and again.
pub const BACK_OFF_MAX: Duration = Duration::from_secs(3600);
/// Failed runs in a row that do not yet lengthen the pause.
const FAILURES_FREE: u32 = 2;

/// A plugin's name in its directory.
pub type PluginName = Arc<str>;

/// A plugin that is there to be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its name.
    pub name: PluginName,
    /// Changes when its file does.
    pub fingerprint: u64,
    /// How often it wants to run, when it says so outside of its own output.
    pub interval: Option<Duration>,
    /// A hash of this is its point of an interval: its name, or what it shares with others that run at the same time.
    pub point: PluginName,
    /// Whether it ends at once, so that it takes nobody's place.
    pub instant: bool,
}

/// What to start now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// The plugin.
    pub name: PluginName,
    /// Identifies the run in [`Schedule::handle_finished`].
    pub run: u64,
    /// Whether to ask for its `config` before its values.
    pub config: bool,
}

/// How a run ended, as far as the schedule cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finished {
    /// Whether it gave what was asked of it.
    pub good: bool,
    /// The interval that the plugin declared (`update_rate`), when its `config` was asked and said one.
    pub interval: Option<Duration>,
}

/// What a finished run means for the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Next {
    /// When it is due.
    pub due: Instant,
    /// Runs that failed in a row, this one included.
    pub failures: u32,
    /// How long the pause is, when failures have lengthened it.
    pub back_off: Option<Duration>,
}

/// The plugins and when each is due.
#[derive(Debug)]
pub struct Schedule {
    origin: Instant,
    interval: Duration,
    concurrency_max: usize,
    plugins: BTreeMap<PluginName, Plugin>,
    taken: Taken,
    runs: u64,
}

/// How many run in each lane.
#[derive(Clone, Copy, Debug, Default)]
struct Taken {
    usual: usize,
    slow: usize,
}

/// Where a run counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lane {
    /// Nowhere: it ends at once.
    Instant,
    Usual,
    Slow,
}

impl Taken {
    fn take(&mut self, lane: Lane) {
        match lane {
            Lane::Instant => {}
            Lane::Usual => self.usual += 1,
            Lane::Slow => self.slow += 1,
        }
    }

    fn give_back(&mut self, lane: Lane) {
        match lane {
            Lane::Instant => {}
            Lane::Usual => self.usual -= 1,
            Lane::Slow => self.slow -= 1,
        }
    }
}

#[derive(Debug)]
struct Plugin {
    fingerprint: u64,
    point: PluginName,
    instant: bool,
    /// Whether its last run was.
    slow: bool,
    interval_found: Option<Duration>,
    interval_declared: Option<Duration>,
    state: State,
    /// When its `config` was last asked with success, with the fingerprint of then.
    config: Option<(Instant, u64)>,
    /// Runs so far; decides about the second reading.
    readings: u64,
    failures: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting {
        due: Instant,
    },
    Running {
        run: u64,
        since: Instant,
        lane: Lane,
    },
}

impl Schedule {
    /// A schedule without plugins. `interval` is that of a plugin that does not say otherwise.
    #[must_use]
    pub fn new(now: Instant, interval: Duration, concurrency_max: usize) -> Self {
        Self {
            origin: now,
            interval,
            concurrency_max,
            plugins: BTreeMap::new(),
            taken: Taken::default(),
            runs: 0,
        }
    }

    /// Takes over which plugins there are. New and changed ones are due at once, those that are gone are forgotten; a run
    /// of one that is gone goes on and is ignored when it ends.
    pub fn handle_found(&mut self, now: Instant, found: &[Found]) {
        let names: BTreeSet<&PluginName> = found.iter().map(|found| &found.name).collect();
        self.plugins.retain(|name, plugin| {
            let keep = names.contains(name);
            if let (false, State::Running { lane, .. }) = (keep, plugin.state) {
                self.taken.give_back(lane);
            }
            keep
        });
        for found in found {
            match self.plugins.get_mut(&found.name) {
                Some(plugin) => plugin.handle_seen_again(now, found),
                None => {
                    self.plugins
                        .insert(found.name.clone(), Plugin::new(now, found));
                }
            }
        }
    }

    /// What to start now; each is counted as running until [`Self::handle_finished`].
    pub fn start_due(&mut self, now: Instant) -> Vec<Start> {
        self.make_room(now);
        let mut due: Vec<(Instant, &PluginName, &mut Plugin)> = self
            .plugins
            .iter_mut()
            .filter_map(|(name, plugin)| match plugin.state {
                State::Waiting { due } if due <= now => Some((due, name, plugin)),
                State::Waiting { .. } | State::Running { .. } => None,
            })
            .collect();
        due.sort_by(|a, b| (a.0, a.1).cmp(&(b.0, b.1)));
        let mut starts = Vec::with_capacity(due.len());
        for (_, name, plugin) in due {
            let lane = plugin.lane();
            if is_full(self.taken, self.concurrency_max, lane) {
                continue;
            }
            self.taken.take(lane);
            self.runs += 1;
            let run = self.runs;
            let since = now;
            plugin.state = State::Running { run, since, lane };
            starts.push(Start {
                name: name.clone(),
                run,
                config: plugin.wants_config(now),
            });
        }
        starts
    }

    /// Runs that have become slow go over to the slow lane, the longest first, while it has room.
    fn make_room(&mut self, now: Instant) {
        let mut slow: Vec<(Instant, &mut State)> = self
            .plugins
            .values_mut()
            .filter_map(|plugin| match plugin.state {
                State::Running {
                    since,
                    lane: Lane::Usual,
                    ..
                } if since + SLOW_AFTER <= now => Some((since, &mut plugin.state)),
                State::Running { .. } | State::Waiting { .. } => None,
            })
            .collect();
        slow.sort_by_key(|(since, _)| *since);
        for (_, state) in slow {
            if is_full(self.taken, self.concurrency_max, Lane::Slow) {
                return;
            }
            if let State::Running { lane, .. } = state {
                self.taken.give_back(*lane);
                *lane = Lane::Slow;
                self.taken.take(*lane);
            }
        }
    }

    /// A run has ended. `None` when nobody waits for it any more.
    pub fn handle_finished(
        &mut self,
        now: Instant,
        start: &Start,
        finished: Finished,
    ) -> Option<Next> {
        let origin = self.origin;
        let interval_default = self.interval;
        let plugin = self.plugins.get_mut(&start.name)?;
        let State::Running { run, since, lane } = plugin.state else {
            return None;
        };
        if run != start.run {
            return None;
        }
        self.taken.give_back(lane);
        plugin.account(since, start, finished);
        plugin.slow = now.saturating_duration_since(since) >= SLOW_AFTER;
        let interval = plugin.interval(interval_default);
        let back_off = back_off(interval, plugin.failures);
        let due = match back_off {
            Some(pause) => now + pause,
            None if plugin.wants_second_reading(interval, interval_default) => {
                now.max(since + SECOND_READING.min(interval))
            }
            None => next_point(origin, &plugin.point, interval, since, now),
        };
        plugin.state = State::Waiting { due };
        Some(Next {
            due,
            failures: plugin.failures,
            back_off,
        })
    }

    /// The plugin read what its `config` had not declared: `config` is asked at its next run, unless that was done lately.
    pub fn handle_config_stale(&mut self, now: Instant, name: &str) {
        if let Some(plugin) = self.plugins.get_mut(name) {
            let age = |asked| now.saturating_duration_since(asked);
            plugin.config = plugin
                .config
                .filter(|(asked, _)| age(*asked) < CONFIG_AGE_MIN);
        }
    }

    /// When [`Self::start_due`] will have something to start, at the earliest; `None` when only a finished run can change
    /// that.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let is_full = |lane| is_full(self.taken, self.concurrency_max, lane);
        let may_make_room = is_full(Lane::Usual) && !is_full(Lane::Slow);
        let dues = self
            .plugins
            .values()
            .filter_map(|plugin| match plugin.state {
                State::Waiting { due } => (!is_full(plugin.lane())).then_some(due),
                State::Running {
                    since,
                    lane: Lane::Usual,
                    ..
                } => may_make_room.then_some(since + SLOW_AFTER),
                State::Running { .. } => None,
            });
        dues.min()
    }

    /// The interval at which a plugin runs.
    #[must_use]
    pub fn interval_of(&self, name: &str) -> Option<Duration> {
        Some(self.plugins.get(name)?.interval(self.interval))
    }
}

impl Plugin {
    fn new(now: Instant, found: &Found) -> Self {
        Self {
            fingerprint: found.fingerprint,
            point: found.point.clone(),
            instant: found.instant,
            slow: false,
            interval_found: found.interval,
            interval_declared: None,
            state: State::Waiting { due: now },
            config: None,
            readings: 0,
            failures: 0,
        }
    }

    fn handle_seen_again(&mut self, now: Instant, found: &Found) {
        self.interval_found = found.interval;
        self.point = found.point.clone();
        if matches!(self.state, State::Waiting { .. }) {
            self.instant = found.instant;
        }
        if self.fingerprint == found.fingerprint {
            return;
        }
        self.fingerprint = found.fingerprint;
        self.failures = 0;
        if matches!(self.state, State::Waiting { .. }) {
            self.state = State::Waiting { due: now };
        }
    }

    /// Where its next run counts.
    fn lane(&self) -> Lane {
        match (self.instant, self.slow) {
            (true, _) => Lane::Instant,
            (false, true) => Lane::Slow,
            (false, false) => Lane::Usual,
        }
    }

    fn wants_config(&self, now: Instant) -> bool {
        let Some((asked, fingerprint)) = self.config else {
            return true;
        };
        fingerprint != self.fingerprint || now.saturating_duration_since(asked) >= CONFIG_AGE_MAX
    }

    /// A plugin that asked to run rarely is not run twice at a start.
    fn wants_second_reading(&self, interval: Duration, interval_default: Duration) -> bool {
        self.readings == 1 && self.failures == 0 && interval <= interval_default
    }

    fn account(&mut self, since: Instant, start: &Start, finished: Finished) {
        if !finished.good {
            self.failures += 1;
            return;
        }
        self.failures = 0;
        self.readings += 1;
        if start.config {
            self.config = Some((since, self.fingerprint));
            self.interval_declared = finished.interval;
        }
    }

    fn interval(&self, default: Duration) -> Duration {
        self.interval_found
            .or(self.interval_declared)
            .unwrap_or(default)
            .max(Duration::from_secs(1))
    }
}

fn is_full(taken: Taken, concurrency_max: usize, lane: Lane) -> bool {
    match lane {
        Lane::Instant => false,
        Lane::Usual => taken.usual >= concurrency_max,
        Lane::Slow => taken.slow >= concurrency_max.saturating_mul(SLOW_LANE),
    }
}

/// The pause after `failures` failed runs in a row, when it is longer than the interval.
fn back_off(interval: Duration, failures: u32) -> Option<Duration> {
    let doublings = failures.saturating_sub(FAILURES_FREE);
    if doublings == 0 || interval >= BACK_OFF_MAX {
        return None;
    }
    let pause = interval.saturating_mul(1_u32.checked_shl(doublings).unwrap_or(u32::MAX));
    Some(pause.min(BACK_OFF_MAX))
}

/// The plugin's first point of an interval that lies after `now` and not within a quarter interval of the last start.
fn next_point(
    origin: Instant,
    point: &str,
    interval: Duration,
    since: Instant,
    now: Instant,
) -> Instant {
    let earliest = now.max(since + interval / 4);
    let step = interval.as_nanos().max(1);
    let phase = u128::from(hash(point)) * step / (u128::from(u64::MAX) + 1);
    let elapsed = earliest.saturating_duration_since(origin).as_nanos();
    let nth = match elapsed.checked_sub(phase) {
        None => 0,
        Some(beyond) => beyond / step + 1,
    };
    let offset = u64::try_from(phase + nth * step).unwrap_or(u64::MAX);
    origin + Duration::from_nanos(offset)
}

/// The same for the same text on every machine and in every version (FNV-1a, its bits mixed once more).
#[must_use]
pub fn hash(text: &str) -> u64 {
    let fnv = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mixed = (fnv ^ (fnv >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ (mixed >> 29)
}
