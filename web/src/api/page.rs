//! A part of a long list: `limit` says how much, `after` where the last part ended, `next` in the answer what to say for
//! the part that follows; it is null at the end.

use crate::parameter::Parameters;
use crate::refusal::Refusal;

/// The part that is wanted.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    limit: usize,
    after: Option<String>,
}

impl Page {
    /// At most `most`, and `usual` when nothing is said.
    pub(crate) fn take(
        parameters: &mut Parameters,
        most: u32,
        usual: u32,
    ) -> Result<Self, Refusal> {
        let limit = parameters.take_number("limit", 1, most)?.unwrap_or(usual);
        Ok(Self {
            limit: usize::try_from(limit).unwrap_or(usize::MAX),
            after: parameters.take("after", "`next` of an earlier answer", |text| {
                (!text.is_empty()).then(|| text.to_owned())
            })?,
        })
    }

    /// Whether it is not simply all.
    pub(crate) fn is_part_of(&self, length: usize) -> bool {
        self.after.is_some() || self.limit < length
    }

    /// Of items in the order of their keys: an item that is gone meanwhile costs nothing.
    pub(crate) fn of_sorted<T>(
        &self,
        mut items: Vec<T>,
        key: impl Fn(&T) -> String,
    ) -> (Vec<T>, Option<String>) {
        if let Some(after) = &self.after {
            items.retain(|item| key(item) > *after);
        }
        self.cut(items, key)
    }

    /// Of items in any order: the one that ended the last part must still be there.
    pub(crate) fn of_listed<T>(
        &self,
        mut items: Vec<T>,
        key: impl Fn(&T) -> String,
    ) -> Result<(Vec<T>, Option<String>), Refusal> {
        if let Some(after) = &self.after {
            let at = items.iter().position(|item| key(item) == *after);
            let at = at.ok_or_else(|| {
                Refusal::parameter(
                    "after",
                    "`next` of an earlier answer, still in the list",
                    after,
                )
            })?;
            items.drain(..=at);
        }
        Ok(self.cut(items, key))
    }

    fn cut<T>(&self, mut items: Vec<T>, key: impl Fn(&T) -> String) -> (Vec<T>, Option<String>) {
        let is_last = items.len() <= self.limit;
        items.truncate(self.limit);
        let next = items.last().filter(|_| !is_last).map(key);
        (items, next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(limit: usize, after: &str) -> Page {
        Page {
            limit,
            after: (!after.is_empty()).then(|| after.to_owned()),
        }
    }

    #[test]
    fn parts_follow_each_other_without_gap_or_repetition() {
        let key = |item: &&str| (*item).to_owned();
        let check = |limit, after, expect: &[&str], next: Option<&str>| {
            let all = vec!["a", "b", "d", "e"];
            let expect = (expect.to_vec(), next.map(str::to_owned));
            assert_eq!(page(limit, after).of_sorted(all.clone(), key), expect);
            match page(limit, after).of_listed(all.clone(), key) {
                Ok(found) => assert_eq!(found, expect),
                Err(_) => assert!(!all.contains(&after)),
            }
        };
        check(2, "", &["a", "b"], Some("b"));
        check(2, "b", &["d", "e"], None);
        check(4, "", &["a", "b", "d", "e"], None);
        check(1, "c", &["d"], Some("d"));
        check(9, "e", &[], None);
    }
}
