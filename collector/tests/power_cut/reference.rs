//! What the history must be: a collector that nothing ever happened to, and that was told the pieces in order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use ravenry::catalog::Catalog;
use ravenry::entry::Entry;
use ravenry::store::Store;
use ravenry_plugins::disk::MemoryDisk;
use ravenry_plugins::timestamp::Timestamp;
use ravenry_web::source::{Consolidation, FetchError, History, Query};

use crate::plot::{BASE, Habit, Plot, There};

/// More bonds of unknown fate than this are not searched.
const BONDS_MAX: usize = 10;

type Key = (i64, usize);

/// Everything that is compared of a graph: its rows by resolution and consolidation. `None` where nothing is stored.
fn views(store: &Store, plot: &Plot) -> Result<Vec<Option<History>>, String> {
    let mut views = Vec::new();
    for resolution in [plot.rate, 3 * plot.rate] {
        for consolidation in [
            Consolidation::Average,
            Consolidation::Min,
            Consolidation::Max,
        ] {
            let query = Query {
                host: plot.host_name(),
                graph: plot.graph_name(),
                start: Timestamp::from_seconds(BASE - 3 * plot.rate),
                end: Timestamp::from_seconds(plot.last().unwrap_or(BASE) + 3 * plot.rate),
                resolution: Duration::from_secs(resolution as u64),
                consolidation,
            };
            views.push(match store.fetch(&query) {
                Ok(history) => Some(history),
                Err(FetchError::NotStored { .. }) => None,
                Err(error @ FetchError::Unreadable { .. }) => return Err(error.to_string()),
            });
        }
    }
    Ok(views)
}

/// The collector that was told the pieces of `plot` that are there, and those that `present` says.
fn told(plot: &Plot, present: &BTreeSet<Key>) -> Store {
    let settings = ravenry::config::store::Store::default();
    let store = Store::new(
        Arc::new(MemoryDisk::new()),
        Catalog::new(&settings),
        &settings,
    );
    let pieces: Vec<_> = plot
        .pieces
        .iter()
        .filter(|(key, piece)| piece.there == There::Yes || present.contains(key))
        .map(|(&(time, group), piece)| (time, group, piece.fields))
        .collect();
    if !pieces.is_empty() {
        let batch = plot.batch(&pieces, false);
        let received = Timestamp::from_seconds(BASE);
        let entry = Entry { received, batch };
        store.apply(1, &entry);
    }
    store
}

/// Checks that `store` has all pieces of `plot` that are there, each once, and of those that may be there says which are.
///
/// `None` when that cannot be known: too many, or the habit hides them.
pub(crate) fn present(store: &Store, plot: &Plot) -> Result<Option<BTreeSet<Key>>, String> {
    let found = views(store, plot)?;
    if plot.habit == Habit::Skewed {
        return counted_once(&found, plot).map(|()| None);
    }
    let mut bonds: BTreeMap<u64, Vec<Key>> = BTreeMap::new();
    let maybes = plot
        .pieces
        .iter()
        .filter(|(_, piece)| piece.there == There::Maybe);
    for (key, piece) in maybes {
        bonds.entry(piece.bond).or_default().push(*key);
    }
    let bonds: Vec<Vec<Key>> = bonds.into_values().collect();
    if bonds.len() > BONDS_MAX {
        return Ok(None);
    }
    let (mut fits, mut differences) = (Vec::new(), Vec::new());
    for subset in 0_u32..1 << bonds.len() {
        let chosen = (0..bonds.len()).filter(|index| subset & (1 << index) != 0);
        let present: BTreeSet<Key> = chosen.flat_map(|index| bonds[index].clone()).collect();
        let expect = views(&told(plot, &present), plot).unwrap();
        match difference(&found, &expect, plot) {
            None => fits.push(present),
            Some(difference) => differences.push(difference),
        }
    }
    if !fits.is_empty() {
        // What only touches a step that is not over yet is not seen.
        let is_known = fits.len() == 1;
        return Ok(fits.pop().filter(|_| is_known));
    }
    Err(format!(
        "{}/{} with {} pushes that may be there: {}",
        plot.host,
        plot.graph,
        bonds.len(),
        differences.join("\nor ")
    ))
}

fn difference(
    found: &[Option<History>],
    expect: &[Option<History>],
    plot: &Plot,
) -> Option<String> {
    found
        .iter()
        .zip(expect)
        .find_map(|(found, expect)| match (found, expect) {
            (None, None) => None,
            (Some(found), Some(expect)) => differs(found, expect, plot),
            // A graph of which nothing came may have a declaration; one of which all was refused, too.
            (Some(found), None) => {
                let known = found
                    .columns
                    .iter()
                    .flat_map(|(_, values)| values)
                    .any(|value| !value.is_nan());
                known.then(|| "there is history, expected none".to_owned())
            }
            (None, Some(_)) => Some("there is no history".to_owned()),
        })
}

fn differs(found: &History, expect: &History, plot: &Plot) -> Option<String> {
    let frame = |history: &History| (history.start, history.end, history.step);
    if frame(found) != frame(expect) {
        return Some(format!(
            "rows {:?}, expected {:?}",
            frame(found),
            frame(expect)
        ));
    }
    expect.columns.iter().find_map(|(field, expect)| {
        let named = found.columns.iter().find(|(name, _)| name == field);
        let Some((_, values)) = named else {
            // A field that nothing was pushed of yet.
            let is_known = expect.iter().any(|value| !value.is_nan());
            return is_known.then(|| format!("{field} is not there"));
        };
        let same = |a: &f64, b: &f64| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan());
        let wrong = values.iter().zip(expect).position(|(a, b)| !same(a, b))?;
        plot.is_compared(field.as_str()).then(|| {
            let at = found.start.seconds() + (wrong as i64 + 1) * found.step.as_secs() as i64;
            format!(
                "{field} at {at} (row {wrong}, step {:?}): found {}, expected {}\nfound    {values:?}\nexpected {expect:?}",
                found.step, values[wrong], expect[wrong]
            )
        })
    })
}

/// A count for each step, and the steps are counted a little early or late: no rate is far from one, unless a count is
/// taken twice, or lost. The second field may be written long after the first, and then its count has no time to be spread
/// over.
fn counted_once(found: &[Option<History>], plot: &Plot) -> Result<(), String> {
    let may_lack = plot
        .pieces
        .values()
        .any(|piece| piece.there == There::Maybe);
    let least = if may_lack { 0.0 } else { 0.9 };
    let columns = found.iter().flatten().flat_map(|history| &history.columns);
    for (field, values) in columns.filter(|(field, _)| field.as_str() == "f0") {
        let wrong = values.iter().find(|rate| **rate > 1.1 || **rate < least);
        if let Some(rate) = wrong {
            let graph = &plot.graph;
            return Err(format!("{graph}/{field}: a rate of {rate}: {values:?}"));
        }
    }
    Ok(())
}
