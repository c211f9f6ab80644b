//! Drawn pictures, by the tag of everything that they depend on: none goes stale, the least recently used give way, and a
//! picture that several ask for at once is drawn once.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::OnceCell;

use crate::answer::Encoded;
use crate::etag::Tag;
use crate::refusal::Refusal;

/// What an entry costs beside its bytes, so that empty ones are bounded too.
const ENTRY_BYTES: usize = 256;

/// The pictures in memory.
pub(crate) struct Cache {
    limit_bytes: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    entries: HashMap<Tag, Entry>,
    /// Tags by when they were last used, oldest first.
    order: BTreeMap<u64, Tag>,
    uses: u64,
    bytes: usize,
}

struct Entry {
    picture: Arc<OnceCell<Encoded>>,
    used: u64,
    bytes: usize,
}

impl Cache {
    pub(crate) fn new(limit_bytes: usize) -> Self {
        Self {
            limit_bytes,
            state: Mutex::default(),
        }
    }

    /// The picture of that tag, drawn by `draw` unless it is there or being drawn already.
    pub(crate) async fn picture<F>(
        &self,
        tag: Tag,
        draw: impl FnOnce() -> F,
    ) -> Result<Encoded, Refusal>
    where
        F: Future<Output = Result<Encoded, Refusal>>,
    {
        let cell = self.lock().cell(tag);
        let drawn = cell.get_or_try_init(draw).await.cloned();
        let mut state = self.lock();
        match &drawn {
            Ok(picture) => state.weigh(tag, picture.size()),
            Err(_) => state.forget(tag),
        }
        state.shrink_to(self.limit_bytes);
        drawn
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn cell(&mut self, tag: Tag) -> Arc<OnceCell<Encoded>> {
        self.uses += 1;
        let used = self.uses;
        let entry = self.entries.entry(tag).or_insert_with(|| {
            self.bytes += ENTRY_BYTES;
            Entry {
                picture: Arc::default(),
                used: 0,
                bytes: ENTRY_BYTES,
            }
        });
        self.order.remove(&entry.used);
        self.order.insert(used, tag);
        entry.used = used;
        Arc::clone(&entry.picture)
    }

    fn weigh(&mut self, tag: Tag, size: usize) {
        if let Some(entry) = self.entries.get_mut(&tag) {
            self.bytes = self.bytes - entry.bytes + ENTRY_BYTES + size;
            entry.bytes = ENTRY_BYTES + size;
        }
    }

    fn forget(&mut self, tag: Tag) {
        if let Some(entry) = self.entries.remove(&tag) {
            self.order.remove(&entry.used);
            self.bytes -= entry.bytes;
        }
    }

    fn shrink_to(&mut self, limit: usize) {
        while self.bytes > limit {
            let Some(tag) = self.order.first_key_value().map(|(_, tag)| *tag) else {
                return;
            };
            self.forget(tag);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    async fn take(cache: &Cache, name: u8, size: usize, drawn: &AtomicUsize) -> Encoded {
        let picture = cache.picture(Tag::of(&[&[name]]), || async {
            tokio::task::yield_now().await;
            drawn.fetch_add(1, Ordering::Relaxed);
            Ok(Encoded::plain(vec![name; size]))
        });
        picture.await.unwrap()
    }

    fn block_on<F: Future>(future: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
            .block_on(future)
    }

    #[test]
    fn what_many_ask_for_at_once_is_drawn_once() {
        let (cache, drawn) = (Cache::new(10_000), AtomicUsize::new(0));
        block_on(async {
            let (a, b, c) = tokio::join!(
                take(&cache, 1, 10, &drawn),
                take(&cache, 1, 10, &drawn),
                take(&cache, 1, 10, &drawn)
            );
            assert_eq!((a.plain.clone(), b.plain), (c.plain, a.plain));
        });
        assert_eq!(drawn.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn the_least_recently_used_gives_way() {
        let (cache, drawn) = (Cache::new(3000), AtomicUsize::new(0));
        block_on(async {
            for name in [1, 2, 1, 3, 1] {
                take(&cache, name, 1000, &drawn).await;
            }
            assert_eq!(drawn.load(Ordering::Relaxed), 3, "1 was kept");
            take(&cache, 2, 1000, &drawn).await;
        });
        assert_eq!(drawn.load(Ordering::Relaxed), 4, "2 was not");
        assert!(cache.lock().bytes <= 3000);
    }

    #[test]
    fn a_failed_drawing_is_tried_again() {
        let (cache, drawn) = (Cache::new(3000), AtomicUsize::new(0));
        block_on(async {
            let failed = cache
                .picture(Tag::of(&[&[1]]), || async { Err(Refusal::Busy(1)) })
                .await;
            assert!(failed.is_err());
            assert_eq!(cache.lock().bytes, 0);
            take(&cache, 1, 10, &drawn).await;
        });
        assert_eq!(drawn.load(Ordering::Relaxed), 1);
    }
}
