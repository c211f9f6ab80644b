//! The judge's tables in the state database: rows as JSON beside the few columns that are asked by.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::time::Duration;

use ravenry_alerts::check::{CheckName, Transition};
use ravenry_alerts::engine::{Record, RecordKey};
use ravenry_alerts::incident::Incident;
use ravenry_alerts::log::{Happening, LogEntry};
use ravenry_alerts::notice::{Notice, NoticeKey};
use ravenry_alerts::outbox::{LedgerEntry, LedgerEvent, Pending};
use ravenry_alerts::quiet::Downtime;
use ravenry_plugins::name::HostName;
use ravenry_plugins::timestamp::Timestamp;
use ravenry_web::source::{IncidentView, LogQuery};
use rusqlite::{Connection, OpenFlags, Transaction, params};
use serde::de::DeserializeOwned;
use tracing::debug;

use super::JudgeError;

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS checks (name TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS incidents (
        id INTEGER PRIMARY KEY, closed INTEGER NOT NULL, body TEXT NOT NULL) STRICT;
    CREATE INDEX IF NOT EXISTS incidents_by_state ON incidents (closed, id);
    CREATE INDEX IF NOT EXISTS incidents_by_cause ON incidents (
        json_extract(body, '$.incident.cause'), json_extract(body, '$.incident.opened'));
    CREATE TABLE IF NOT EXISTS downtimes (id INTEGER PRIMARY KEY, body TEXT NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS comments (id INTEGER PRIMARY KEY, body TEXT NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS standing (id INTEGER PRIMARY KEY CHECK (id = 1), body TEXT NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS desks (contact TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS outbox (
        incident INTEGER NOT NULL, contact TEXT NOT NULL, sequence INTEGER NOT NULL, body TEXT NOT NULL,
        PRIMARY KEY (incident, contact, sequence)) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS ledger (
        id INTEGER PRIMARY KEY, incident INTEGER NOT NULL, body TEXT NOT NULL) STRICT;
    CREATE INDEX IF NOT EXISTS ledger_by_incident ON ledger (incident, id);
    CREATE TABLE IF NOT EXISTS log (
        id INTEGER PRIMARY KEY, at INTEGER NOT NULL, host TEXT, incident INTEGER, body TEXT NOT NULL) STRICT;
    CREATE INDEX IF NOT EXISTS log_by_time ON log (at);
    CREATE INDEX IF NOT EXISTS log_by_host ON log (host, id);
    CREATE INDEX IF NOT EXISTS log_by_incident ON log (incident, id);
    CREATE TABLE IF NOT EXISTS past_downtimes (
        id INTEGER NOT NULL, start INTEGER NOT NULL, ended INTEGER NOT NULL, body TEXT NOT NULL,
        PRIMARY KEY (id, start)) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS pulse (id INTEGER PRIMARY KEY CHECK (id = 1), at INTEGER NOT NULL) STRICT;
";

/// Incidents that are kept; older closed ones are dropped.
const INCIDENTS_MAX: i64 = 10_000;

/// Ledger entries that are kept.
const LEDGER_MAX: i64 = 200_000;

/// Entries of the log that are kept.
const LOG_MAX: i64 = 500_000;

/// Downtimes that are over and kept for reports.
const PAST_DOWNTIMES_MAX: i64 = 20_000;

/// For so long it is counted how often a check has been the cause of an incident.
const WEEK: Duration = Duration::from_secs(7 * 86_400);

/// Entries of the log that answer one question, the last ones.
const LOG_ASKED: i64 = 500;

/// Ledger entries that are shown of one incident.
const TOLD_MAX: i64 = 200;

/// Commits between two looks for what is too old.
const TRIM_EVERY: u32 = 1000;

/// The tables, for their one writer.
pub(super) struct Tables {
    connection: Connection,
    commits: u32,
}

/// What a start finds.
pub(super) struct Stored {
    pub(super) records: Vec<Record>,
    pub(super) pending: Vec<Pending>,
}

/// What is to be committed; of one row only the last state.
#[derive(Default)]
pub(super) struct Writes {
    records: BTreeMap<RecordKey, Option<Record>>,
    pending: BTreeMap<NoticeKey, Option<Pending>>,
    pub(super) ledger: Vec<LedgerEntry>,
    pub(super) log: Vec<LogEntry>,
    /// Downtimes that ended before their time, and when.
    pub(super) ended: Vec<(u64, Timestamp)>,
    /// When somebody asked whether it can be written.
    pub(super) pulse: Option<Timestamp>,
}

impl Writes {
    pub(super) fn put(&mut self, record: Record) {
        self.records.insert(record.key(), Some(record));
    }

    pub(super) fn forget(&mut self, key: RecordKey) {
        self.records.insert(key, None);
    }

    pub(super) fn put_pending(&mut self, row: Pending) {
        self.pending.insert(row.notice.key.clone(), Some(row));
    }

    pub(super) fn remove_pending(&mut self, key: NoticeKey) {
        self.pending.insert(key, None);
    }

    fn is_empty(&self) -> bool {
        self.records.is_empty()
            && self.pending.is_empty()
            && self.ledger.is_empty()
            && self.log.is_empty()
            && self.ended.is_empty()
            && self.pulse.is_none()
    }

    fn write(&self, transaction: &Transaction<'_>) -> Result<(), JudgeError> {
        for (key, record) in &self.records {
            match (key, record) {
                (RecordKey::Check(name), Some(record)) => transaction
                    .prepare_cached("INSERT OR REPLACE INTO checks (name, body) VALUES (?, ?)")?
                    .execute(params![name.to_string(), emit("checks", record)?])?,
                (RecordKey::Check(name), None) => transaction
                    .prepare_cached("DELETE FROM checks WHERE name = ?")?
                    .execute([name.to_string()])?,
                (RecordKey::Incident(id), Some(record)) => transaction
                    .prepare_cached(
                        "INSERT OR REPLACE INTO incidents (id, closed, body) VALUES (?, ?, ?)",
                    )?
                    .execute(params![
                        number(*id),
                        is_closed(record),
                        emit("incidents", record)?
                    ])?,
                (RecordKey::Incident(id), None) => transaction
                    .prepare_cached("DELETE FROM incidents WHERE id = ?")?
                    .execute([number(*id)])?,
                (RecordKey::Downtime(id), Some(record)) => {
                    if let Record::Downtime(downtime) = record {
                        write_past(transaction, downtime)?;
                    }
                    transaction
                        .prepare_cached(
                            "INSERT OR REPLACE INTO downtimes (id, body) VALUES (?, ?)",
                        )?
                        .execute(params![number(*id), emit("downtimes", record)?])?
                }
                (RecordKey::Downtime(id), None) => transaction
                    .prepare_cached("DELETE FROM downtimes WHERE id = ?")?
                    .execute([number(*id)])?,
                (RecordKey::Comment(id), Some(record)) => transaction
                    .prepare_cached("INSERT OR REPLACE INTO comments (id, body) VALUES (?, ?)")?
                    .execute(params![number(*id), emit("comments", record)?])?,
                (RecordKey::Comment(id), None) => transaction
                    .prepare_cached("DELETE FROM comments WHERE id = ?")?
                    .execute([number(*id)])?,
                (RecordKey::Standing, Some(record)) => transaction
                    .prepare_cached("INSERT OR REPLACE INTO standing (id, body) VALUES (1, ?)")?
                    .execute([emit("standing", record)?])?,
                (RecordKey::Standing, None) => transaction.execute("DELETE FROM standing", [])?,
                (RecordKey::Desk(contact), Some(record)) => transaction
                    .prepare_cached("INSERT OR REPLACE INTO desks (contact, body) VALUES (?, ?)")?
                    .execute(params![contact.as_str(), emit("desks", record)?])?,
                (RecordKey::Desk(contact), None) => transaction
                    .prepare_cached("DELETE FROM desks WHERE contact = ?")?
                    .execute([contact.as_str()])?,
            };
        }
        self.write_deliveries(transaction)
    }

    /// What waits to be delivered, and what became of deliveries.
    fn write_deliveries(&self, transaction: &Transaction<'_>) -> Result<(), JudgeError> {
        for (key, row) in &self.pending {
            let (incident, contact, sequence) = (
                number(key.incident),
                key.contact.as_str(),
                number(key.sequence),
            );
            match row {
                Some(row) => transaction
                    .prepare_cached(
                        "INSERT OR REPLACE INTO outbox (incident, contact, sequence, body) VALUES (?, ?, ?, ?)",
                    )?
                    .execute(params![incident, contact, sequence, emit("outbox", row)?])?,
                None => transaction
                    .prepare_cached("DELETE FROM outbox WHERE incident = ? AND contact = ? AND sequence = ?")?
                    .execute(params![incident, contact, sequence])?,
            };
        }
        if let Some(at) = self.pulse {
            transaction
                .prepare_cached("INSERT OR REPLACE INTO pulse (id, at) VALUES (1, ?)")?
                .execute([at.seconds()])?;
        }
        self.write_log(transaction)?;
        for entry in &self.ledger {
            transaction
                .prepare_cached("INSERT INTO ledger (incident, body) VALUES (?, ?)")?
                .execute(params![number(entry.key.incident), emit("ledger", entry)?])?;
        }
        Ok(())
    }
}

impl Writes {
    fn write_log(&self, transaction: &Transaction<'_>) -> Result<(), JudgeError> {
        for (id, at) in &self.ended {
            transaction
                .prepare_cached(
                    "UPDATE past_downtimes SET ended = ?2 WHERE id = ?1 AND ended > ?2",
                )?
                .execute(params![number(*id), at.seconds()])?;
        }
        for entry in &self.log {
            let host = entry.what.check().map(|check| check.host().as_str());
            transaction
                .prepare_cached("INSERT INTO log (at, host, incident, body) VALUES (?, ?, ?, ?)")?
                .execute(params![
                    entry.at.seconds(),
                    host,
                    entry.what.incident().map(number),
                    emit("log", entry)?
                ])?;
        }
        Ok(())
    }
}

/// A downtime is kept as it was, for reports: each time of one that comes again is a row of its own.
fn write_past(transaction: &Transaction<'_>, downtime: &Downtime) -> Result<(), JudgeError> {
    transaction
        .prepare_cached(
            "INSERT OR REPLACE INTO past_downtimes (id, start, ended, body) VALUES (?, ?, ?, ?)",
        )?
        .execute(params![
            number(downtime.id),
            downtime.start.seconds(),
            downtime.over_at().seconds(),
            emit("past_downtimes", downtime)?
        ])?;
    Ok(())
}

impl Tables {
    pub(super) fn open(path: &Path) -> Result<Self, JudgeError> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(Duration::from_secs(10))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.execute_batch(SCHEMA)?;
        Ok(Self {
            connection,
            commits: 0,
        })
    }

    pub(super) fn load(&self) -> Result<Stored, JudgeError> {
        let mut records: Vec<Record> =
            rows(&self.connection, "checks", "SELECT body FROM checks", [])?;
        let incidents =
            "SELECT body FROM incidents WHERE closed = 0 OR id = (SELECT max(id) FROM incidents)";
        records.extend(rows::<Record, _>(
            &self.connection,
            "incidents",
            incidents,
            [],
        )?);
        for (table, query) in [
            ("downtimes", "SELECT body FROM downtimes"),
            ("comments", "SELECT body FROM comments"),
            ("standing", "SELECT body FROM standing"),
            ("desks", "SELECT body FROM desks"),
        ] {
            records.extend(rows::<Record, _>(&self.connection, table, query, [])?);
        }
        let pending = rows(&self.connection, "outbox", "SELECT body FROM outbox", [])?;
        Ok(Stored { records, pending })
    }

    /// How many incidents the cause of the notice's has led to in the last 7 days, this one included; 0 for what has none.
    pub(super) fn often(&self, notice: &Notice) -> u32 {
        let Some(cause) = notice.check.as_ref().filter(|_| notice.kind.is_problem()) else {
            return 0;
        };
        let others = || -> Result<u32, JudgeError> {
            let query =
                "SELECT count(*) FROM incidents WHERE json_extract(body, '$.incident.cause') = ?
                AND json_extract(body, '$.incident.opened') >= ? AND id <> ?";
            let (cause, week_ago) = (emit("incidents", cause)?, notice.at - WEEK);
            let params = params![cause, week_ago.seconds(), number(notice.key.incident)];
            let mut statement = self.connection.prepare_cached(query)?;
            Ok(statement.query_row(params, |row| row.get(0))?)
        };
        match others() {
            Ok(others) => others.saturating_add(1),
            Err(error) => {
                debug!(%error, "earlier incidents cannot be counted");
                0
            }
        }
    }

    /// Commits everything or nothing; what was committed is taken out of `writes`.
    pub(super) fn commit(&mut self, writes: &mut Writes) -> Result<(), JudgeError> {
        if writes.is_empty() {
            return Ok(());
        }
        let transaction = self.connection.transaction()?;
        writes.write(&transaction)?;
        if self.commits.is_multiple_of(TRIM_EVERY) {
            trim(&transaction)?;
        }
        transaction.commit()?;
        self.commits = self.commits.wrapping_add(1);
        *writes = Writes::default();
        Ok(())
    }
}

fn trim(transaction: &Transaction<'_>) -> Result<(), JudgeError> {
    transaction.execute(
        "DELETE FROM incidents WHERE closed = 1 AND id <= (SELECT max(id) FROM incidents) - ?",
        [INCIDENTS_MAX],
    )?;
    transaction.execute(
        "DELETE FROM ledger WHERE id <= (SELECT max(id) FROM ledger) - ?",
        [LEDGER_MAX],
    )?;
    transaction.execute(
        "DELETE FROM log WHERE id <= (SELECT max(id) FROM log) - ?",
        [LOG_MAX],
    )?;
    transaction.execute(
        "DELETE FROM past_downtimes WHERE id <= (SELECT max(id) FROM past_downtimes) - ?",
        [PAST_DOWNTIMES_MAX],
    )?;
    Ok(())
}

/// The tables, for pages: reads while the writer writes.
pub(super) struct Reader {
    connection: Connection,
}

impl Reader {
    pub(super) fn open(path: &Path) -> Result<Self, JudgeError> {
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        connection.busy_timeout(Duration::from_secs(10))?;
        Ok(Self { connection })
    }

    pub(super) fn incidents(&self, limit: usize) -> Result<Vec<IncidentView>, JudgeError> {
        let query = "SELECT body FROM incidents ORDER BY closed, id DESC LIMIT ?";
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let records: Vec<Record> = rows(&self.connection, "incidents", query, [limit])?;
        let incidents = records.into_iter().filter_map(|record| match record {
            Record::Incident(incident) => Some(self.view(incident)),
            Record::Check(_)
            | Record::Downtime(_)
            | Record::Comment(_)
            | Record::Standing(_)
            | Record::Desk(_) => None,
        });
        incidents.collect()
    }

    /// The log, the newest first.
    pub(super) fn log(&self, query: &LogQuery) -> Result<Vec<(u64, LogEntry)>, JudgeError> {
        let sql = "SELECT id, body FROM log WHERE id < ?1 AND (?2 IS NULL OR host = ?2)
            AND (?3 IS NULL OR incident = ?3) ORDER BY id DESC LIMIT ?4";
        let before = query.before.map_or(i64::MAX, number);
        let host = query.host.as_ref().map(HostName::as_str);
        let limit = i64::try_from(query.limit).unwrap_or(i64::MAX);
        let incident = query.incident.map(number);
        numbered(
            &self.connection,
            "log",
            sql,
            params![before, host, incident, limit],
        )
    }

    /// The last entries of the log up to then, of a host or an incident only where one is named, in the order of time.
    pub(super) fn log_until(
        &self,
        host: Option<&HostName>,
        incident: Option<u64>,
        until: Timestamp,
    ) -> Result<Vec<LogEntry>, JudgeError> {
        let sql = "SELECT body FROM (SELECT id, body FROM log WHERE at <= ?1 AND (?2 IS NULL OR host = ?2)
            AND (?3 IS NULL OR incident = ?3) ORDER BY id DESC LIMIT ?4) ORDER BY id";
        let (host, incident) = (host.map(HostName::as_str), incident.map(number));
        let asked = params![until.seconds(), host, incident, LOG_ASKED];
        rows(&self.connection, "log", sql, asked)
    }

    /// What the ledger has of an incident, oldest first.
    pub(super) fn told(&self, incident: u64) -> Result<Vec<LedgerEntry>, JudgeError> {
        let sql = "SELECT body FROM (SELECT id, body FROM ledger WHERE incident = ? ORDER BY id DESC LIMIT ?) ORDER BY id";
        rows(
            &self.connection,
            "ledger",
            sql,
            [number(incident), TOLD_MAX],
        )
    }

    /// The ledger, the newest first.
    pub(super) fn notices(
        &self,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<(u64, LedgerEntry)>, JudgeError> {
        let sql = "SELECT id, body FROM ledger WHERE id < ? ORDER BY id DESC LIMIT ?";
        let before = before.map_or(i64::MAX, number);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        numbered(&self.connection, "ledger", sql, params![before, limit])
    }

    /// All confirmed changes since then, the oldest first.
    pub(super) fn changes(
        &self,
        since: Timestamp,
    ) -> Result<HashMap<CheckName, Vec<Transition>>, JudgeError> {
        let sql = "SELECT body FROM log WHERE at >= ? ORDER BY at, id";
        let entries: Vec<LogEntry> = rows(&self.connection, "log", sql, [since.seconds()])?;
        let mut changes: HashMap<CheckName, Vec<Transition>> = HashMap::new();
        for entry in entries {
            match entry.what {
                Happening::Changed { check, transition } => {
                    changes.entry(check).or_default().push(transition);
                }
                Happening::Opened { .. }
                | Happening::Closed { .. }
                | Happening::NotTold { .. }
                | Happening::Done { .. } => {}
            }
        }
        Ok(changes)
    }

    /// The downtimes that were not over then, with when they ended or will.
    pub(super) fn past_downtimes(
        &self,
        since: Timestamp,
    ) -> Result<Vec<(Downtime, Timestamp)>, JudgeError> {
        let sql = "SELECT ended, body FROM past_downtimes WHERE ended > ? ORDER BY id, start";
        let found = numbered(&self.connection, "past_downtimes", sql, [since.seconds()])?;
        let ended = |seconds: u64| Timestamp::from_seconds(number(seconds));
        Ok(found
            .into_iter()
            .map(|(seconds, downtime)| (downtime, ended(seconds)))
            .collect())
    }

    /// Of each incident that somebody was told of since then: how many notices were sent.
    pub(super) fn noise(&self, since: Timestamp) -> Result<Vec<(IncidentView, u64)>, JudgeError> {
        let sql = "SELECT l.sent, i.body FROM (
                SELECT incident, count(*) AS sent FROM ledger
                WHERE json_extract(body, '$.at') >= ? AND json_extract(body, '$.event.sent') IS NOT NULL
                GROUP BY incident
            ) AS l JOIN incidents AS i ON i.id = l.incident";
        let found: Vec<(u64, Record)> =
            numbered(&self.connection, "incidents", sql, [since.seconds()])?;
        let incidents = found.into_iter().filter_map(|(sent, record)| match record {
            Record::Incident(incident) => Some(self.view(incident).map(|view| (view, sent))),
            Record::Check(_)
            | Record::Downtime(_)
            | Record::Comment(_)
            | Record::Standing(_)
            | Record::Desk(_) => None,
        });
        incidents.collect()
    }

    pub(super) fn incident(&self, id: u64) -> Result<Option<IncidentView>, JudgeError> {
        let query = "SELECT body FROM incidents WHERE id = ?";
        let records: Vec<Record> = rows(&self.connection, "incidents", query, [number(id)])?;
        match records.into_iter().next() {
            Some(Record::Incident(incident)) => self.view(incident).map(Some),
            Some(
                Record::Check(_)
                | Record::Downtime(_)
                | Record::Comment(_)
                | Record::Standing(_)
                | Record::Desk(_),
            )
            | None => Ok(None),
        }
    }

    fn view(&self, incident: Incident) -> Result<IncidentView, JudgeError> {
        let query = "SELECT body FROM (SELECT id, body FROM ledger WHERE incident = ? ORDER BY id DESC LIMIT ?) ORDER BY id";
        let entries: Vec<LedgerEntry> = rows(
            &self.connection,
            "ledger",
            query,
            [number(incident.id), TOLD_MAX],
        )?;
        let told = entries
            .iter()
            .filter(|entry| !matches!(entry.event, LedgerEvent::Sending { .. }));
        let not_told = incident
            .not_told
            .iter()
            .map(|(contact, reason)| format!("{contact}: not told: {reason}"));
        Ok(IncidentView {
            id: incident.id,
            severity: incident.worst,
            opened: incident.opened,
            closed: incident.closed,
            summary: incident.summary.clone(),
            told: told.map(ToString::to_string).chain(not_told).collect(),
            causes: incident.causes().cloned().collect(),
            settling: incident.ok_since,
            flapping: incident.is_flapping(),
            hides: incident.explains.into_iter().collect(),
            acknowledged: incident.acknowledged,
            cause: incident.cause,
        })
    }
}

/// Rows of a number and a body.
fn numbered<T: DeserializeOwned, P: rusqlite::Params>(
    connection: &Connection,
    table: &'static str,
    query: &str,
    params: P,
) -> Result<Vec<(u64, T)>, JudgeError> {
    let mut statement = connection.prepare_cached(query)?;
    let mut found = statement.query(params)?;
    let mut all = Vec::new();
    while let Some(row) = found.next()? {
        let (number, body): (i64, String) = (row.get(0)?, row.get(1)?);
        all.push((number.unsigned_abs(), parse(table, &body)?));
    }
    Ok(all)
}

fn rows<T: DeserializeOwned, P: rusqlite::Params>(
    connection: &Connection,
    table: &'static str,
    query: &str,
    params: P,
) -> Result<Vec<T>, JudgeError> {
    let mut statement = connection.prepare_cached(query)?;
    let mut found = statement.query(params)?;
    let mut all = Vec::new();
    while let Some(row) = found.next()? {
        let body: String = row.get(0)?;
        all.push(parse(table, &body)?);
    }
    Ok(all)
}

fn parse<T: DeserializeOwned>(table: &'static str, body: &str) -> Result<T, JudgeError> {
    serde_json::from_str(body).map_err(|source| JudgeError::Row {
        table,
        found: body.chars().take(120).collect(),
        source,
    })
}

fn emit(table: &'static str, row: &impl serde::Serialize) -> Result<String, JudgeError> {
    serde_json::to_string(row).map_err(|source| JudgeError::Row {
        table,
        found: String::from("a row that cannot be written"),
        source,
    })
}

fn is_closed(record: &Record) -> bool {
    match record {
        Record::Incident(incident) => incident.closed.is_some(),
        Record::Check(_)
        | Record::Downtime(_)
        | Record::Comment(_)
        | Record::Standing(_)
        | Record::Desk(_) => false,
    }
}

/// SQLite's integers have a sign; ours are counters and microseconds that stay far below the limit.
fn number(counter: u64) -> i64 {
    i64::try_from(counter).unwrap_or(i64::MAX)
}
