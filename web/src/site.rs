//! What all requests share: the source, the pictures already drawn, and the doors to the blocking threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::http::HeaderMap;
use chrono_tz::Tz;
use tokio::sync::Semaphore;

use crate::access::{self, Access};
use crate::api::events::Events;
use crate::cache::Cache;
use crate::options::Options;
use crate::refusal::Refusal;
use crate::source::Source;

/// Shared by all requests.
pub(crate) struct Site {
    source: Arc<dyn Source>,
    pub(crate) access: Arc<Access>,
    pub(crate) options: Options,
    pub(crate) pictures: Cache,
    pub(crate) events: Events,
    working: Semaphore,
    waiting: AtomicUsize,
}

impl Site {
    pub(crate) fn new(source: Arc<dyn Source>, options: Options, access: Arc<Access>) -> Self {
        Self {
            source,
            access,
            pictures: Cache::new(options.picture_cache_bytes),
            working: Semaphore::new(options.working_max.max(1)),
            events: Events::default(),
            waiting: AtomicUsize::new(0),
            options,
        }
    }

    /// Does `work` on a blocking thread, at most [`Options::working_max`] at a time.
    pub(crate) async fn ask<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&dyn Source) -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        let place = Place::take(&self.waiting, self.options.waiting_max)?;
        let permit = self.working.acquire().await;
        drop(place);
        let _permit = permit.map_err(|error| Refusal::Broken(error.to_string()))?;
        let source = Arc::clone(&self.source);
        let done = tokio::task::spawn_blocking(move || work(&*source)).await;
        done.map_err(|error| {
            // A panic there is one request's, not the program's.
            tracing::error!("a page or picture failed: {error}");
            Refusal::Broken("it failed, and the log says how".to_owned())
        })
    }

    /// What is asked without a blocking thread: it only waits.
    pub(crate) fn source(&self) -> &dyn Source {
        &*self.source
    }

    /// The zone of the one who looks: the cookie `tz` when it names one, else the configured zone.
    pub(crate) fn viewer_zone(&self, headers: &HeaderMap) -> Tz {
        access::cookie(headers, "tz")
            .and_then(|name| name.parse().ok())
            .unwrap_or(self.options.zone)
    }
}

/// A place among those that wait.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize, max: usize) -> Result<Self, Refusal> {
        let before = waiting.fetch_add(1, Ordering::Relaxed);
        let place = Self(waiting);
        if before >= max {
            return Err(Refusal::Busy(before));
        }
        Ok(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
