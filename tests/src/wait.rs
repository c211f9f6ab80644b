//! Waiting for what should happen, up to a deadline; never for a time that should be enough.

use std::thread;
use std::time::{Duration, Instant};

/// Longer than anything here takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Waits until `condition` holds, at most [`PATIENCE`]; `what` names it when it never does.
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    value(what, || condition().then_some(()));
}

/// Waits until `look` finds something, at most [`PATIENCE`].
pub fn value<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    value_within(PATIENCE, what, look)
}

/// Waits until `look` finds something, at most `patience`.
pub fn value_within<T>(patience: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(
            began.elapsed() < patience,
            "waited {} s in vain until {what}",
            patience.as_secs()
        );
        thread::sleep(LOOK_EVERY);
    }
}

/// The clock by which deadlines are kept.
#[expect(
    clippy::disallowed_methods,
    reason = "black-box tests live in real time"
)]
#[must_use]
pub fn now() -> Instant {
    Instant::now()
}

/// UTC seconds since 1970.
#[expect(
    clippy::disallowed_methods,
    reason = "black-box tests live in real time"
)]
#[must_use]
pub fn utc() -> f64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.unwrap().as_secs_f64()
}

/// Whole UTC seconds since 1970.
#[expect(
    clippy::cast_possible_truncation,
    reason = "seconds since 1970 fit for a long time"
)]
#[must_use]
pub fn utc_seconds() -> i64 {
    utc().floor() as i64
}
