//! What a restart must know and the journal does not hold any more: hosts, declarations, agents' counters, tokens.
//!
//! One SQLite file beside the history. The catalog is saved at each checkpoint together with the journal position that it
//! stands for, in one transaction; alerts keep their own tables in the same file.

use std::path::Path;
use std::time::Duration;

use ravenry_plugins::declaration::Declaration;
use ravenry_plugins::name::HostName;
use ravenry_plugins::timestamp::Timestamp;
use ravenry_plugins::wire::RunReport;
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use crate::catalog::{Catalog, Host, Sent, StoredGraph};

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS hosts (
        host TEXT PRIMARY KEY, last_contact_micros INTEGER, runs TEXT NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS graphs (
        host TEXT NOT NULL, graph TEXT NOT NULL, declaration TEXT NOT NULL, declared INTEGER NOT NULL,
        first_update_micros INTEGER, PRIMARY KEY (host, graph)) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS agents (
        agent TEXT PRIMARY KEY, incarnation INTEGER NOT NULL, sequence INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS tokens (
        name TEXT PRIMARY KEY, sha256 BLOB NOT NULL UNIQUE, hosts TEXT NOT NULL,
        created_micros INTEGER NOT NULL) STRICT, WITHOUT ROWID;
";

/// Why the database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// SQLite says no.
    #[error("state database: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// A row does not hold what this version wrote or understands.
    #[error("state database: {what}: {why}")]
    Row {
        /// Which row.
        what: String,
        /// One sentence.
        why: String,
    },
}

/// The database, opened. One writer at a time; others wait up to ten seconds.
#[derive(Debug)]
pub struct Database {
    connection: Connection,
}

/// What an agent's secret allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Its name, for people.
    pub name: String,
    /// SHA-256 of the secret: the secret itself is never kept.
    pub sha256: [u8; 32],
    /// A pattern: the hosts that may be spoken for.
    pub hosts: String,
    /// When it was made.
    pub created: Timestamp,
}

impl Database {
    /// Opens the file, or makes it.
    ///
    /// # Errors
    /// When it cannot be opened, or is something else.
    pub fn open(path: &Path) -> Result<Self, DatabaseError> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(Duration::from_secs(10))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.execute_batch(SCHEMA)?;
        Ok(Self { connection })
    }

    /// Fills a new `catalog` with what was saved.
    ///
    /// # Errors
    /// When a row cannot be read.
    pub fn load(&self, catalog: &mut Catalog) -> Result<(), DatabaseError> {
        let position = "SELECT value FROM meta WHERE key = 'position'";
        catalog.position = self
            .connection
            .query_row(position, [], |row| row.get(0))
            .optional()?
            .unwrap_or(0);
        self.load_hosts(catalog)?;
        self.load_graphs(catalog)?;
        let mut agents = self
            .connection
            .prepare("SELECT agent, incarnation, sequence FROM agents")?;
        let mut rows = agents.query([])?;
        while let Some(row) = rows.next()? {
            catalog.agents.insert(
                row.get(0)?,
                Sent {
                    incarnation: row.get(1)?,
                    sequence: row.get(2)?,
                },
            );
        }
        Ok(())
    }

    fn load_hosts(&self, catalog: &mut Catalog) -> Result<(), DatabaseError> {
        let mut hosts = self
            .connection
            .prepare("SELECT host, last_contact_micros, runs FROM hosts")?;
        let mut rows = hosts.query([])?;
        while let Some(row) = rows.next()? {
            let (name, runs): (String, String) = (row.get(0)?, row.get(2)?);
            let what = || format!("host {name}");
            let runs: Vec<RunReport> = readable(serde_json::from_str(&runs), what)?;
            let host = Host {
                last_contact: row.get::<_, Option<i64>>(1)?.map(Timestamp::from_micros),
                runs: runs
                    .into_iter()
                    .map(|run| (run.plugin.clone(), run))
                    .collect(),
                ..Host::default()
            };
            catalog
                .hosts
                .insert(readable(HostName::new(&name), what)?, host);
        }
        Ok(())
    }

    fn load_graphs(&self, catalog: &mut Catalog) -> Result<(), DatabaseError> {
        let mut graphs = self.connection.prepare(
            "SELECT host, graph, declaration, declared, first_update_micros FROM graphs",
        )?;
        let mut rows = graphs.query([])?;
        while let Some(row) = rows.next()? {
            let (host, graph): (String, String) = (row.get(0)?, row.get(1)?);
            let what = || format!("graph {host}/{graph}");
            let declaration: String = row.get(2)?;
            let declaration: Declaration = readable(serde_json::from_str(&declaration), what)?;
            let host = readable(HostName::new(&host), what)?;
            let name = declaration.graph.clone();
            let stored = {
                let first_update = row.get::<_, Option<i64>>(4)?.map(Timestamp::from_micros);
                StoredGraph::restored(declaration, row.get(3)?, first_update)
            };
            catalog.counts.series += stored.columns.len() as u64;
            catalog
                .hosts
                .entry(host)
                .or_default()
                .graphs
                .insert(name, stored);
        }
        Ok(())
    }

    /// Saves what is new in `changes`, all or nothing.
    ///
    /// # Errors
    /// When SQLite cannot write; nothing was saved.
    pub fn save(&mut self, changes: &Changes) -> Result<(), DatabaseError> {
        let transaction = self.connection.transaction()?;
        changes.write(&transaction)?;
        transaction.commit()?;
        Ok(())
    }

    /// All tokens, by name.
    ///
    /// # Errors
    /// When SQLite cannot read.
    pub fn tokens(&self) -> Result<Vec<Token>, DatabaseError> {
        let mut tokens = self
            .connection
            .prepare("SELECT name, sha256, hosts, created_micros FROM tokens ORDER BY name")?;
        let rows = tokens.query_map([], |row| {
            let created = Timestamp::from_micros(row.get(3)?);
            Ok(Token {
                name: row.get(0)?,
                sha256: row.get(1)?,
                hosts: row.get(2)?,
                created,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Adds a token. `false` when there is one of that name.
    ///
    /// # Errors
    /// When SQLite cannot write.
    pub fn add_token(&self, token: &Token) -> Result<bool, DatabaseError> {
        let added = self.connection.execute(
            "INSERT OR IGNORE INTO tokens (name, sha256, hosts, created_micros) VALUES (?1, ?2, ?3, ?4)",
            params![token.name, token.sha256, token.hosts, token.created.micros()],
        )?;
        Ok(added == 1)
    }

    /// Removes a token. `false` when there is none of that name.
    ///
    /// # Errors
    /// When SQLite cannot write.
    pub fn remove_token(&self, name: &str) -> Result<bool, DatabaseError> {
        Ok(self
            .connection
            .execute("DELETE FROM tokens WHERE name = ?1", params![name])?
            == 1)
    }
}

/// What a checkpoint saves of the catalog.
#[derive(Debug, Default)]
pub struct Changes {
    /// The journal up to here need not be read again.
    pub position: u64,
    hosts: Vec<(String, Option<i64>, String)>,
    graphs: Vec<GraphRow>,
    agents: Vec<(String, Sent)>,
}

/// A graph as the database has it.
#[derive(Debug)]
struct GraphRow {
    host: String,
    graph: String,
    /// As JSON.
    declaration: String,
    declared: bool,
    first_update: Option<Timestamp>,
}

impl Changes {
    /// Collects what is unsaved and marks it saved. `position`: the journal up to it need not be read again.
    #[must_use]
    pub fn collect(catalog: &mut Catalog, position: u64) -> Self {
        let mut changes = Self {
            position,
            ..Self::default()
        };
        for (name, host) in &mut catalog.hosts {
            if std::mem::take(&mut host.unsaved) {
                let runs: Vec<&RunReport> = host.runs.values().collect();
                let runs = serde_json::to_string(&runs).unwrap_or_else(|_| "[]".to_owned());
                changes.hosts.push((
                    name.to_string(),
                    host.last_contact.map(Timestamp::micros),
                    runs,
                ));
            }
            for (graph, stored) in &mut host.graphs {
                if std::mem::take(&mut stored.unsaved) {
                    let declaration =
                        serde_json::to_string(&stored.declaration).unwrap_or_default();
                    changes.graphs.push(GraphRow {
                        host: name.to_string(),
                        graph: graph.to_string(),
                        declaration,
                        declared: stored.declared,
                        first_update: stored.first_update,
                    });
                }
            }
        }
        changes.agents.extend(
            catalog
                .agents
                .iter()
                .map(|(agent, sent)| (agent.clone(), *sent)),
        );
        changes
    }

    /// Marks what was collected unsaved again, after a save that failed.
    pub fn give_back(&self, catalog: &mut Catalog) {
        for (name, ..) in &self.hosts {
            if let Some(host) = catalog.hosts.get_mut(name.as_str()) {
                host.unsaved = true;
            }
        }
        for row in &self.graphs {
            let stored = catalog
                .hosts
                .get_mut(row.host.as_str())
                .and_then(|host| host.graphs.get_mut(row.graph.as_str()));
            if let Some(stored) = stored {
                stored.unsaved = true;
            }
        }
    }

    fn write(&self, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        transaction.execute(
            "REPLACE INTO meta (key, value) VALUES ('position', ?1)",
            params![self.position],
        )?;
        let mut host = transaction.prepare_cached("REPLACE INTO hosts VALUES (?1, ?2, ?3)")?;
        for (name, last_contact, runs) in &self.hosts {
            host.execute(params![name, last_contact, runs])?;
        }
        let mut graph =
            transaction.prepare_cached("REPLACE INTO graphs VALUES (?1, ?2, ?3, ?4, ?5)")?;
        for row in &self.graphs {
            let first_update = row.first_update.map(Timestamp::micros);
            graph.execute(params![
                row.host,
                row.graph,
                row.declaration,
                row.declared,
                first_update
            ])?;
        }
        let mut agent = transaction.prepare_cached("REPLACE INTO agents VALUES (?1, ?2, ?3)")?;
        for (name, sent) in &self.agents {
            agent.execute(params![name, sent.incarnation, sent.sequence])?;
        }
        Ok(())
    }
}

fn readable<T, E: std::fmt::Display>(
    result: Result<T, E>,
    what: impl Fn() -> String,
) -> Result<T, DatabaseError> {
    result.map_err(|error| DatabaseError::Row {
        what: what(),
        why: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use ravenry_plugins::timestamp::Timestamp;
    use ravenry_plugins::wire::Batch;

    use super::*;
    use crate::config::store::Store;
    use crate::entry::Entry;

    fn batch() -> Batch {
        let json = r#"{"version":1,"host":"web1","key":{"agent":"a","incarnation":2,"sequence":7},
            "graphs":[{"graph":"load","attributes":[["graph_title","Load"]],"fields":[{"field":"load"}]}],
            "runs":[{"plugin":"load","time":1700000000,"duration_seconds":0.5,"error":"exit code 1"}]}"#;
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn what_was_saved_is_loaded() {
        let folder = tempfile::tempdir().unwrap();
        let mut database = Database::open(&folder.path().join("state.sqlite")).unwrap();
        let mut catalog = Catalog::new(&Store::default());
        let received = Timestamp::from_seconds(1_700_000_001);
        let _ = catalog.apply(
            3,
            &Entry {
                received,
                batch: batch(),
            },
        );
        database.save(&Changes::collect(&mut catalog, 3)).unwrap();

        let mut loaded = Catalog::new(&Store::default());
        database.load(&mut loaded).unwrap();
        assert_eq!((loaded.position, loaded.counts.series), (3, 1));
        assert!(loaded.has_seen(&batch().key.unwrap()));
        let host = &loaded.hosts["web1"];
        assert_eq!(host.last_contact, Some(received));
        assert_eq!(host.runs["load"].error.as_deref(), Some("exit code 1"));
        assert_eq!(host.graphs["load"].graph.title, "Load");
        assert!(
            Changes::collect(&mut loaded, 3).hosts.is_empty(),
            "nothing is unsaved after a load"
        );
    }

    #[test]
    fn tokens_are_added_once_and_removed() {
        let database = Database::open(Path::new(":memory:")).unwrap();
        let token = Token {
            name: "web".to_owned(),
            sha256: [7; 32],
            hosts: "*".to_owned(),
            created: Timestamp::from_seconds(1),
        };
        assert!(database.add_token(&token).unwrap());
        assert!(!database.add_token(&token).unwrap());
        assert_eq!(database.tokens().unwrap(), [token]);
        assert!(database.remove_token("web").unwrap());
        assert!(!database.remove_token("web").unwrap());
    }
}
