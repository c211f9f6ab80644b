//! Reads history: a file's rows together with what waits to be written to it.

use ravenry_plugins::disk::read_whole;
use ravenry_plugins::name::{FieldName, GraphName, HostName};
use ravenry_plugins::timestamp::Timestamp;
use ravenry_rrd::create::create;
use ravenry_rrd::definition::{Cf, Definition};
use ravenry_rrd::fetch::{self, Fetched, Request};
use ravenry_rrd::header::Header;
use ravenry_rrd::reshape::reshape;
use ravenry_rrd::writes::Writes;
use ravenry_web::source::{Consolidation, FetchError, History, Query};

use std::io;
use std::sync::PoisonError;
use std::time::Duration;

use super::Store;
use super::checkpoint::changed_sources;
use super::graph_file::{FILE_BYTES_MAX, FileError, GraphFile, advance, sources};
use super::row::Rows;

/// A graph's rows that wait, and what is needed to make its file when there is none yet.
struct Waiting {
    columns: Vec<FieldName>,
    rows: Rows,
    /// What the file would be made of.
    definition: Definition,
}

impl Store {
    /// Consolidated history of a graph.
    ///
    /// # Errors
    /// When nothing is stored under that name, or the file cannot be read.
    pub fn fetch(&self, query: &Query) -> Result<History, FetchError> {
        let (host, graph) = (&query.host, &query.graph);
        let waiting = self.waiting(host, graph)?;
        let unreadable = |why: String| FetchError::Unreadable {
            host: host.clone(),
            graph: graph.clone(),
            why,
        };
        let _whole = self.in_place.read().unwrap_or_else(PoisonError::into_inner);
        let (path, columns) = (Self::path(host, graph), waiting.columns.len());
        let file = GraphFile::open(&*self.disk, &path, columns, &mut Vec::new())
            .map_err(|error| unreadable(error.to_string()))?;
        let fetched = match file {
            Some(file) => from_file(file, &waiting, query),
            None if waiting.rows.is_empty() => return Err(not_stored(host, graph)),
            None => from_memory(&waiting, query),
        };
        let (fetched, header) = fetched.map_err(unreadable)?;
        Ok(history(&fetched, &header, waiting.columns))
    }

    fn waiting(&self, host: &HostName, graph: &GraphName) -> Result<Waiting, FetchError> {
        let catalog = self.catalog();
        let Some(stored) = catalog.graph(host, graph) else {
            return Err(not_stored(host, graph));
        };
        let rows = stored.pending.copy();
        let first = rows.iter().next().map_or(0, |row| row.time.seconds());
        let definition = catalog
            .layouts()
            .definition(host, &stored.graph, stored.declared, first);
        Ok(Waiting {
            columns: stored.column_names(),
            rows,
            definition,
        })
    }
}

fn not_stored(host: &HostName, graph: &GraphName) -> FetchError {
    FetchError::NotStored {
        host: host.clone(),
        graph: graph.clone(),
    }
}

fn from_file(
    mut file: GraphFile,
    waiting: &Waiting,
    query: &Query,
) -> Result<(Fetched, Header), String> {
    if let Some(reshaped) = reshaped(&file, waiting) {
        return from_image(reshaped, waiting, query);
    }
    let mut writes = Writes::new();
    move_on(waiting, &mut file.header, &mut writes)?;
    let plan = fetch::plan(&file.header, &request(query, &file.header))
        .map_err(|error| error.to_string())?;
    let fetched = plan.read(&file.header, |offset, bytes| {
        let wanted = bytes.len();
        if file.file.read_at(bytes, offset)? < wanted {
            return Err(FileError::Disk(io::ErrorKind::UnexpectedEof.into()));
        }
        writes.overlay(offset, bytes);
        Ok(())
    });
    Ok((fetched.map_err(|error| error.to_string())?, file.header))
}

/// The whole file as the next checkpoint will have it, when readings wait for fields that it lacks, or that are of another
/// type there. A file that cannot get them is read as it is.
fn reshaped(file: &GraphFile, waiting: &Waiting) -> Option<Vec<u8>> {
    if waiting.rows.is_empty() {
        return None;
    }
    file.header.definition()?;
    let sources = changed_sources(&waiting.definition.sources, &file.header)?;
    let bytes = read_whole(&*file.file, FILE_BYTES_MAX).ok()?;
    reshape(&bytes, &sources).ok()
}

/// Before its first checkpoint a graph has no file: it is made in memory.
fn from_memory(waiting: &Waiting, query: &Query) -> Result<(Fetched, Header), String> {
    let image = create(&waiting.definition).map_err(|error| error.to_string())?;
    from_image(image, waiting, query)
}

fn from_image(
    mut image: Vec<u8>,
    waiting: &Waiting,
    query: &Query,
) -> Result<(Fetched, Header), String> {
    let mut header =
        Header::parse(&image, image.len() as u64).map_err(|error| error.to_string())?;
    let mut writes = Writes::new();
    move_on(waiting, &mut header, &mut writes)?;
    writes.apply(&mut image);
    let plan = fetch::plan(&header, &request(query, &header)).map_err(|error| error.to_string())?;
    let fetched = plan.read(&header, |offset, bytes| fetch::slice(&image, offset, bytes));
    Ok((fetched.map_err(|error| error.to_string())?, header))
}

fn move_on(waiting: &Waiting, header: &mut Header, writes: &mut Writes) -> Result<(), String> {
    let advanced = advance(header, &waiting.columns, waiting.rows.iter(), 0, writes);
    advanced.map(drop).map_err(|error| error.to_string())
}

fn request(query: &Query, header: &Header) -> Request {
    let cf = match query.consolidation {
        Consolidation::Average => Cf::Average,
        Consolidation::Min => Cf::Min,
        Consolidation::Max => Cf::Max,
    };
    // rrdtool adds a row to a range that ends on a step; a second less and it does not.
    let end = query.end.seconds() - i64::from(query.end.seconds() % header.step() as i64 == 0);
    Request {
        cf,
        start: query.start.seconds(),
        end,
        resolution: query.resolution.as_secs().max(1),
    }
}

fn history(fetched: &Fetched, header: &Header, columns: Vec<FieldName>) -> History {
    let sources = sources(header, &columns);
    let rows = fetched.rows().count();
    let column = |(field, source): (FieldName, Option<usize>)| {
        let values = source.map_or_else(
            || vec![f64::NAN; rows],
            |source| fetched.column(source).collect(),
        );
        (field, values)
    };
    History {
        start: Timestamp::from_seconds(fetched.start),
        end: Timestamp::from_seconds(fetched.end),
        step: Duration::from_secs(fetched.step),
        columns: columns.into_iter().zip(sources).map(column).collect(),
    }
}
