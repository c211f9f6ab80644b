//! Reads history: a file's rows together with what waits to be written to it.

use ravenry_plugins::name::{FieldName, GraphName, HostName};
use ravenry_plugins::timestamp::Timestamp;
use ravenry_rrd::create::create;
use ravenry_rrd::definition::{Cf, Definition};
use ravenry_rrd::fetch::{self, Fetched, Request};
use ravenry_rrd::header::Header;
use ravenry_rrd::writes::Writes;
use ravenry_web::source::{Consolidation, FetchError, History, Query};

use std::io;
use std::sync::PoisonError;
use std::time::Duration;

use super::Store;
use super::graph_file::{FileError, GraphFile, advance, sources};
use super::pending::Row;

/// A graph's rows that wait, and what is needed to make its file when there is none yet.
struct Waiting {
    columns: Vec<FieldName>,
    rows: Vec<Row>,
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
        let file = GraphFile::open(&*self.disk, &Self::path(host, graph))
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
        let rows: Vec<Row> = stored.pending.rows().cloned().collect();
        let first = rows.first().map_or(0, |row| row.time.seconds());
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
    let mut writes = Writes::new();
    advance(
        &mut file.header,
        &waiting.columns,
        waiting.rows.iter(),
        0,
        &mut writes,
    )
    .map_err(|error| error.to_string())?;
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

/// Before its first checkpoint a graph has no file: it is made in memory.
fn from_memory(waiting: &Waiting, query: &Query) -> Result<(Fetched, Header), String> {
    let mut image = create(&waiting.definition).map_err(|error| error.to_string())?;
    let mut header =
        Header::parse(&image, image.len() as u64).map_err(|error| error.to_string())?;
    let mut writes = Writes::new();
    advance(
        &mut header,
        &waiting.columns,
        waiting.rows.iter(),
        0,
        &mut writes,
    )
    .map_err(|error| error.to_string())?;
    writes.apply(&mut image);
    let plan = fetch::plan(&header, &request(query, &header)).map_err(|error| error.to_string())?;
    let fetched = plan.read(&header, |offset, bytes| fetch::slice(&image, offset, bytes));
    Ok((fetched.map_err(|error| error.to_string())?, header))
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
