//! What a restart must know and the journal does not hold any more: hosts, declarations, agents' counters, tokens.
//!
//! One SQLite file beside the history. The catalog is saved at each checkpoint together with the journal position that it
//! stands for, in one transaction; alerts keep their own tables in the same file.

pub mod account;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ravenry_plugins::declaration::Declaration;
use ravenry_plugins::name::{FieldName, GraphName, HostName, NameError};
use ravenry_plugins::timestamp::Timestamp;
use ravenry_plugins::wire::RunReport;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, params};

use crate::catalog::{Catalog, Host, Sent, Shape, StoredGraph};

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS hosts (
        host TEXT PRIMARY KEY, last_contact_micros INTEGER, runs TEXT NOT NULL,
        agents TEXT NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS graphs (
        host TEXT NOT NULL, graph TEXT NOT NULL, declaration TEXT NOT NULL, declared INTEGER NOT NULL,
        columns TEXT NOT NULL, first_update_micros INTEGER, PRIMARY KEY (host, graph)) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS tokens (
        name TEXT PRIMARY KEY, sha256 BLOB NOT NULL UNIQUE, hosts TEXT NOT NULL,
        created_micros INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS enrolments (
        name TEXT PRIMARY KEY, sha256 BLOB NOT NULL UNIQUE, hosts TEXT NOT NULL,
        created_micros INTEGER NOT NULL, expires_micros INTEGER NOT NULL) STRICT, WITHOUT ROWID;
";

/// The version of the tables, kept in the file. 2 has `enrolments`, 3 accounts.
const VERSION: i64 = 3;

/// Why the database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// SQLite says no.
    #[error("state database: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// A later version of this program wrote it.
    #[error(
        "state database: expected version {VERSION}, found {found}: it belongs to a later version of ravenry"
    )]
    Version {
        /// The version that was found.
        found: i64,
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
        let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        if found > VERSION {
            return Err(DatabaseError::Version { found });
        }
        // A full disk prevents no start: what is right already is not written.
        if found < VERSION {
            connection.execute_batch(SCHEMA)?;
            connection.execute_batch(account::SCHEMA)?;
            connection.pragma_update(None, "user_version", VERSION)?;
        }
        Ok(Self { connection })
    }

    /// Opens the file to look at it: nothing is made, nothing changed.
    ///
    /// # Errors
    /// When it cannot be opened, or a later version wrote it.
    pub fn look_at(path: &Path) -> Result<Self, DatabaseError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(Duration::from_secs(10))?;
        let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        if found > VERSION {
            return Err(DatabaseError::Version { found });
        }
        Ok(Self { connection })
    }

    /// What SQLite finds wrong with the whole file, one sentence each.
    ///
    /// # Errors
    /// When it cannot even look.
    pub fn integrity(&self) -> Result<Vec<String>, DatabaseError> {
        let mut check = self.connection.prepare("PRAGMA integrity_check(20)")?;
        let found = check.query_map([], |row| row.get::<_, String>(0))?;
        let found = found.collect::<Result<Vec<_>, _>>()?;
        Ok(found.into_iter().filter(|line| line != "ok").collect())
    }

    /// The last position of the journal that is not needed any more.
    ///
    /// # Errors
    /// When SQLite cannot read.
    pub fn position(&self) -> Result<u64, DatabaseError> {
        let position = "SELECT value FROM meta WHERE key = 'position'";
        let found = self
            .connection
            .query_row(position, [], |row| row.get(0))
            .optional()?;
        Ok(found.unwrap_or(0))
    }

    /// The graphs that are known, each with its host, and the rows that could not be read.
    ///
    /// # Errors
    /// When SQLite cannot read.
    pub fn graphs(&self) -> Result<(Vec<KnownGraph>, Vec<String>), DatabaseError> {
        let mut graphs = self.connection.prepare(
            "SELECT host, graph, declaration, declared, columns, first_update_micros FROM graphs",
        )?;
        let (mut known, mut problems) = (Vec::new(), Vec::new());
        let mut rows = graphs.query([])?;
        while let Some(row) = rows.next()? {
            let (host, graph): (String, String) = (row.get(0)?, row.get(1)?);
            let (declaration, columns): (String, String) = (row.get(2)?, row.get(4)?);
            let first_update = row.get::<_, Option<i64>>(5)?.map(Timestamp::from_micros);
            let standing = Standing::of(row.get(3)?);
            match graph_of(&host, &declaration, standing, &columns, first_update) {
                Ok((host, name, stored)) => known.push(KnownGraph { host, name, stored }),
                Err(why) => problems.push(format!("state database: graph {host}/{graph}: {why}")),
            }
        }
        Ok((known, problems))
    }

    /// Fills a new `catalog` with what was saved, and says which rows could not be read: they are left out.
    ///
    /// # Errors
    /// When SQLite cannot read.
    pub fn load(&self, catalog: &mut Catalog) -> Result<Vec<String>, DatabaseError> {
        catalog.position = self.position()?;
        let mut problems = Vec::new();
        self.load_hosts(catalog, &mut problems)?;
        self.load_graphs(catalog, &mut problems)?;
        Ok(problems)
    }

    fn load_hosts(
        &self,
        catalog: &mut Catalog,
        problems: &mut Vec<String>,
    ) -> Result<(), DatabaseError> {
        let mut hosts = self
            .connection
            .prepare("SELECT host, last_contact_micros, runs, agents FROM hosts")?;
        let mut rows = hosts.query([])?;
        while let Some(row) = rows.next()? {
            let (name, runs, agents): (String, String, String) =
                (row.get(0)?, row.get(2)?, row.get(3)?);
            let last_contact = row.get::<_, Option<i64>>(1)?.map(Timestamp::from_micros);
            match host_of(&name, last_contact, &runs, &agents) {
                Ok((name, host)) => drop(catalog.hosts.insert(name, host)),
                Err(why) => problems.push(format!("state database: host {name}: {why}")),
            }
        }
        Ok(())
    }

    fn load_graphs(
        &self,
        catalog: &mut Catalog,
        problems: &mut Vec<String>,
    ) -> Result<(), DatabaseError> {
        let (graphs, unreadable) = self.graphs()?;
        problems.extend(unreadable);
        for KnownGraph { host, name, stored } in graphs {
            catalog.restore(host, name, stored);
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
            "INSERT OR IGNORE INTO tokens (name, sha256, hosts, created_micros)
             SELECT ?1, ?2, ?3, ?4 WHERE NOT EXISTS (SELECT 1 FROM api_tokens WHERE name = ?1)",
            params![
                token.name,
                token.sha256,
                token.hosts,
                token.created.micros()
            ],
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

impl Database {
    /// Adds a one-time token that is good until `expires`. `false` when there is one of that name.
    ///
    /// # Errors
    /// When SQLite cannot write.
    pub fn add_enrolment(&self, token: &Token, expires: Timestamp) -> Result<bool, DatabaseError> {
        let added = self.connection.execute(
            "INSERT OR IGNORE INTO enrolments (name, sha256, hosts, created_micros, expires_micros)
             VALUES (?1, ?2, ?3, ?4, ?5)",
            params![
                token.name,
                token.sha256,
                token.hosts,
                token.created.micros(),
                expires.micros()
            ],
        )?;
        Ok(added == 1)
    }

    /// The one-time tokens that were not used, with the time until which they are good, by name.
    ///
    /// # Errors
    /// When SQLite cannot read.
    pub fn enrolments(&self) -> Result<Vec<(Token, Timestamp)>, DatabaseError> {
        let mut enrolments = self.connection.prepare(
            "SELECT name, sha256, hosts, created_micros, expires_micros FROM enrolments ORDER BY name",
        )?;
        let rows = enrolments.query_map([], |row| {
            let token = Token {
                name: row.get(0)?,
                sha256: row.get(1)?,
                hosts: row.get(2)?,
                created: Timestamp::from_micros(row.get(3)?),
            };
            Ok((token, Timestamp::from_micros(row.get(4)?)))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Removes a one-time token by its name. `false` when there is none of that name.
    ///
    /// # Errors
    /// When SQLite cannot write.
    pub fn remove_enrolment(&self, name: &str) -> Result<bool, DatabaseError> {
        let removed = self
            .connection
            .execute("DELETE FROM enrolments WHERE name = ?1", params![name])?;
        Ok(removed == 1)
    }

    /// Uses up the one-time token of that hash and adds `token` in its place, both or neither. `false` when there is no
    /// such one-time token any more, or a token of that name already.
    ///
    /// # Errors
    /// When SQLite cannot write.
    pub fn enroll(&mut self, once: &[u8; 32], token: &Token) -> Result<bool, DatabaseError> {
        let transaction = self.connection.transaction()?;
        let used =
            transaction.execute("DELETE FROM enrolments WHERE sha256 = ?1", params![once])?;
        let added = transaction.execute(
            "INSERT OR IGNORE INTO tokens (name, sha256, hosts, created_micros) VALUES (?1, ?2, ?3, ?4)",
            params![token.name, token.sha256, token.hosts, token.created.micros()],
        )?;
        let done = used == 1 && added == 1;
        if done {
            transaction.commit()?;
        }
        Ok(done)
    }
}

/// A graph that the database knows.
#[derive(Debug)]
pub struct KnownGraph {
    /// Whose it is.
    pub host: HostName,
    /// Its name.
    pub name: GraphName,
    /// What is known of it.
    pub stored: StoredGraph,
}

fn host_of(
    name: &str,
    last_contact: Option<Timestamp>,
    runs: &str,
    agents: &str,
) -> Result<(HostName, Host), Unreadable> {
    let runs: Vec<RunReport> = serde_json::from_str(runs)?;
    let host = Host {
        last_contact,
        runs: runs
            .into_iter()
            .map(|run| (run.plugin.clone(), run))
            .collect(),
        agents: serde_json::from_str(agents)?,
        ..Host::default()
    };
    Ok((HostName::new(name)?, host))
}

fn graph_of(
    host: &str,
    declaration: &str,
    standing: Standing,
    columns: &str,
    first_update: Option<Timestamp>,
) -> Result<(HostName, GraphName, StoredGraph), Unreadable> {
    let declaration: Declaration = serde_json::from_str(declaration)?;
    let name = declaration.graph.clone();
    let columns: Vec<FieldName> = serde_json::from_str(columns)?;
    let declared = standing != Standing::Implied;
    let mut stored = StoredGraph::restored(declaration, declared, columns, first_update);
    stored.gone = standing == Standing::Gone;
    Ok((HostName::new(host)?, name, stored))
}

/// What the column `declared` says; versions before the third value take it for the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// It follows from readings that came.
    Implied = 0,
    /// Somebody declared it.
    Declared = 1,
    /// Its agent has it no more.
    Gone = 2,
}

impl Standing {
    fn of(number: i64) -> Self {
        match number {
            0 => Self::Implied,
            2 => Self::Gone,
            _ => Self::Declared,
        }
    }

    fn of_graph(stored: &StoredGraph) -> Self {
        match (stored.gone, stored.declared) {
            (true, _) => Self::Gone,
            (false, true) => Self::Declared,
            (false, false) => Self::Implied,
        }
    }
}

/// Why a row is left out.
#[derive(Debug, thiserror::Error)]
enum Unreadable {
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    #[error(transparent)]
    Name(#[from] NameError),
}

/// What a checkpoint saves of the catalog: copies, so that the catalog is not held while they are written.
#[derive(Debug, Default)]
pub struct Changes {
    /// The journal up to here need not be read again.
    pub position: u64,
    hosts: Vec<HostRow>,
    graphs: Vec<GraphRow>,
}

/// A host as the database has it.
#[derive(Debug)]
struct HostRow {
    host: HostName,
    last_contact: Option<Timestamp>,
    runs: Vec<RunReport>,
    agents: BTreeMap<String, Sent>,
}

/// A graph as the database has it.
#[derive(Debug)]
struct GraphRow {
    host: HostName,
    shape: Arc<Shape>,
    standing: Standing,
    columns: Vec<FieldName>,
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
                changes.hosts.push(HostRow {
                    host: name.clone(),
                    last_contact: host.last_contact,
                    runs: host.runs.values().cloned().collect(),
                    agents: host.agents.clone(),
                });
            }
            for stored in host.graphs.values_mut() {
                if std::mem::take(&mut stored.unsaved) {
                    changes.graphs.push(GraphRow {
                        host: name.clone(),
                        shape: Arc::clone(&stored.shape),
                        standing: Standing::of_graph(stored),
                        columns: stored.column_names(),
                        first_update: stored.first_update,
                    });
                }
            }
        }
        changes
    }

    /// Marks what was collected unsaved again, after a save that failed.
    pub fn give_back(&self, catalog: &mut Catalog) {
        for row in &self.hosts {
            if let Some(host) = catalog.hosts.get_mut(&row.host) {
                host.unsaved = true;
            }
        }
        for row in &self.graphs {
            if let Some(stored) = catalog.graph_mut(&row.host, &row.shape.declaration.graph) {
                stored.unsaved = true;
            }
        }
    }

    fn write(&self, transaction: &Transaction<'_>) -> Result<(), DatabaseError> {
        transaction.execute(
            "REPLACE INTO meta (key, value) VALUES ('position', ?1)",
            params![self.position],
        )?;
        let mut host = transaction.prepare_cached("REPLACE INTO hosts VALUES (?1, ?2, ?3, ?4)")?;
        for row in &self.hosts {
            let last_contact = row.last_contact.map(Timestamp::micros);
            let (runs, agents) = (json(&row.runs)?, json(&row.agents)?);
            host.execute(params![row.host.as_str(), last_contact, runs, agents])?;
        }
        let mut graph =
            transaction.prepare_cached("REPLACE INTO graphs VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
        for row in &self.graphs {
            graph.execute(params![
                row.host.as_str(),
                row.shape.declaration.graph.as_str(),
                json(&row.shape.declaration)?,
                row.standing as i64,
                json(&row.columns)?,
                row.first_update.map(Timestamp::micros)
            ])?;
        }
        Ok(())
    }
}

fn json(value: &impl serde::Serialize) -> Result<String, DatabaseError> {
    serde_json::to_string(value)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()).into())
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
        assert_eq!(database.load(&mut loaded).unwrap(), Vec::<String>::new());
        assert_eq!((loaded.position, loaded.counts.series), (3, 1));
        assert!(loaded.has_seen(&batch().host, &batch().key.unwrap()));
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
    fn a_database_that_is_there_is_opened_without_a_write() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.sqlite");
        // Held open, so that what the next one writes stays in the write-ahead log.
        let _first = Database::open(&path).unwrap();
        let wal = || std::fs::read(folder.path().join("state.sqlite-wal")).unwrap();
        let before = wal();
        let _second = Database::open(&path).unwrap();
        assert!(
            !before.is_empty() && wal() == before,
            "a full disk must not prevent a start"
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
