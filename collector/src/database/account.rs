//! Who may look and act: people, tokens of scripts, and the sessions that were signed out before their time.

use std::collections::HashSet;

use ravenry_plugins::timestamp::Timestamp;
use ravenry_web::access::{ApiToken, Known, Role, User};
use rusqlite::types::Type;
use rusqlite::{Row, params};

use super::{Database, DatabaseError};

/// Tables of version 3.
pub(super) const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS users (
        name TEXT PRIMARY KEY, hash TEXT NOT NULL, role TEXT NOT NULL,
        created_micros INTEGER NOT NULL, changed_micros INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS api_tokens (
        name TEXT PRIMARY KEY, sha256 BLOB NOT NULL UNIQUE, role TEXT NOT NULL,
        created_micros INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS ended_sessions (
        session BLOB PRIMARY KEY, until_micros INTEGER NOT NULL) STRICT, WITHOUT ROWID;
";

/// An account as lists show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The name.
    pub name: String,
    /// What may be done.
    pub role: Role,
    /// When it was made.
    pub created: Timestamp,
    /// When its password was last set.
    pub changed: Timestamp,
}

/// A role as a row has it.
fn role(row: &Row<'_>, column: usize) -> rusqlite::Result<Role> {
    let text: String = row.get(column)?;
    text.parse().map_err(|error: String| {
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, error.into())
    })
}

impl Database {
    /// A number that is another one after another program, or another connection, has changed anything.
    ///
    /// # Errors
    /// When SQLite cannot read.
    pub fn version_of_data(&self) -> Result<i64, DatabaseError> {
        let version = self
            .connection
            .query_row("PRAGMA data_version", [], |row| row.get(0))?;
        Ok(version)
    }

    /// Everybody who may, and the sessions that were signed out and would still be good at `now`.
    ///
    /// # Errors
    /// When SQLite cannot read.
    pub fn known(&self, now: Timestamp) -> Result<Known, DatabaseError> {
        let mut users = self
            .connection
            .prepare_cached("SELECT name, hash, role FROM users ORDER BY name")?;
        let users = users.query_map([], |row| {
            Ok(User {
                name: row.get(0)?,
                hash: row.get(1)?,
                role: role(row, 2)?,
            })
        })?;
        let mut ended = self
            .connection
            .prepare_cached("SELECT session FROM ended_sessions WHERE until_micros > ?1")?;
        let ended = ended.query_map(params![now.micros()], |row| row.get(0))?;
        Ok(Known {
            users: users.collect::<Result<_, _>>()?,
            tokens: self
                .api_tokens()?
                .into_iter()
                .map(|(token, _)| token)
                .collect(),
            admin: None,
            ended: ended.collect::<Result<HashSet<[u8; 16]>, _>>()?,
        })
    }

    /// All accounts, by name.
    ///
    /// # Errors
    /// When SQLite cannot read.
    pub fn accounts(&self) -> Result<Vec<Account>, DatabaseError> {
        let mut accounts = self.connection.prepare(
            "SELECT name, role, created_micros, changed_micros FROM users ORDER BY name",
        )?;
        let rows = accounts.query_map([], |row| {
            Ok(Account {
                name: row.get(0)?,
                role: role(row, 1)?,
                created: Timestamp::from_micros(row.get(2)?),
                changed: Timestamp::from_micros(row.get(3)?),
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// How many accounts there are; none in a database that is older than accounts.
    ///
    /// # Errors
    /// When SQLite cannot read.
    pub fn count_accounts(&self) -> Result<usize, DatabaseError> {
        let tables = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'users'";
        let tables: u32 = self.connection.query_row(tables, [], |row| row.get(0))?;
        if tables == 0 {
            return Ok(0);
        }
        Ok(self.accounts()?.len())
    }

    /// Makes an account. `false` when there is one of that name.
    ///
    /// # Errors
    /// When SQLite cannot write.
    pub fn add_user(&self, user: &User, now: Timestamp) -> Result<bool, DatabaseError> {
        let added = self.connection.execute(
            "INSERT OR IGNORE INTO users (name, hash, role, created_micros, changed_micros) VALUES (?1, ?2, ?3, ?4, ?4)",
            params![user.name, user.hash, user.role.as_str(), now.micros()],
        )?;
        Ok(added == 1)
    }

    /// Gives an account another password. `false` when there is none of that name.
    ///
    /// # Errors
    /// When SQLite cannot write.
    pub fn set_password(
        &self,
        name: &str,
        hash: &str,
        now: Timestamp,
    ) -> Result<bool, DatabaseError> {
        let changed = self.connection.execute(
            "UPDATE users SET hash = ?2, changed_micros = ?3 WHERE name = ?1",
            params![name, hash, now.micros()],
        )?;
        Ok(changed == 1)
    }

    /// Removes an account. `false` when there is none of that name.
    ///
    /// # Errors
    /// When SQLite cannot write.
    pub fn remove_user(&self, name: &str) -> Result<bool, DatabaseError> {
        let removed = self
            .connection
            .execute("DELETE FROM users WHERE name = ?1", params![name])?;
        Ok(removed == 1)
    }

    /// The tokens of scripts and when they were made, by name.
    ///
    /// # Errors
    /// When SQLite cannot read.
    pub fn api_tokens(&self) -> Result<Vec<(ApiToken, Timestamp)>, DatabaseError> {
        let mut tokens = self.connection.prepare_cached(
            "SELECT name, sha256, role, created_micros FROM api_tokens ORDER BY name",
        )?;
        let rows = tokens.query_map([], |row| {
            let token = ApiToken {
                name: row.get(0)?,
                sha256: row.get(1)?,
                role: role(row, 2)?,
            };
            Ok((token, Timestamp::from_micros(row.get(3)?)))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Adds a script's token. `false` when there is a token of that name, of whatever kind.
    ///
    /// # Errors
    /// When SQLite cannot write.
    pub fn add_api_token(&self, token: &ApiToken, now: Timestamp) -> Result<bool, DatabaseError> {
        let added = self.connection.execute(
            "INSERT OR IGNORE INTO api_tokens (name, sha256, role, created_micros)
             SELECT ?1, ?2, ?3, ?4 WHERE NOT EXISTS (SELECT 1 FROM tokens WHERE name = ?1)",
            params![token.name, token.sha256, token.role.as_str(), now.micros()],
        )?;
        Ok(added == 1)
    }

    /// Removes a script's token. `false` when there is none of that name.
    ///
    /// # Errors
    /// When SQLite cannot write.
    pub fn remove_api_token(&self, name: &str) -> Result<bool, DatabaseError> {
        let removed = self
            .connection
            .execute("DELETE FROM api_tokens WHERE name = ?1", params![name])?;
        Ok(removed == 1)
    }

    /// Remembers a session that was signed out until it would end anyway, and forgets those that have.
    ///
    /// # Errors
    /// When SQLite cannot write; nothing was changed.
    pub fn end_session(
        &mut self,
        session: &[u8; 16],
        until: Timestamp,
        now: Timestamp,
    ) -> Result<(), DatabaseError> {
        let transaction = self.connection.transaction()?;
        transaction.execute(
            "DELETE FROM ended_sessions WHERE until_micros <= ?1",
            params![now.micros()],
        )?;
        transaction.execute(
            "INSERT OR REPLACE INTO ended_sessions (session, until_micros) VALUES (?1, ?2)",
            params![session, until.micros()],
        )?;
        transaction.commit()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    #[test]
    fn accounts_are_made_changed_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.sqlite");
        let (here, there) = (
            Database::open(&path).unwrap(),
            Database::open(&path).unwrap(),
        );
        let version = here.version_of_data().unwrap();
        let user = User {
            name: "anna".to_owned(),
            hash: "h1".to_owned(),
            role: Role::Viewer,
        };
        assert!(there.add_user(&user, at(1)).unwrap());
        assert!(!there.add_user(&user, at(2)).unwrap());
        assert_ne!(here.version_of_data().unwrap(), version);
        assert_eq!(here.known(at(3)).unwrap().users, [user]);
        assert!(there.set_password("anna", "h2", at(4)).unwrap());
        assert!(!there.set_password("berta", "h2", at(4)).unwrap());
        let accounts = here.accounts().unwrap();
        assert_eq!((accounts[0].created, accounts[0].changed), (at(1), at(4)));
        assert_eq!(here.count_accounts().unwrap(), 1);
        assert!(there.remove_user("anna").unwrap());
        assert!(!there.remove_user("anna").unwrap());
        assert_eq!(here.known(at(5)).unwrap(), Known::default());
    }

    #[test]
    fn ended_sessions_are_forgotten_when_they_would_have_ended() {
        let folder = tempfile::tempdir().unwrap();
        let mut database = Database::open(&folder.path().join("state.sqlite")).unwrap();
        database.end_session(&[1; 16], at(100), at(1)).unwrap();
        database.end_session(&[2; 16], at(200), at(1)).unwrap();
        let ended = |database: &Database, now| {
            let mut ended: Vec<u8> = database
                .known(at(now))
                .unwrap()
                .ended
                .iter()
                .map(|id| id[0])
                .collect();
            ended.sort_unstable();
            ended
        };
        assert_eq!(ended(&database, 50), [1, 2]);
        assert_eq!(ended(&database, 150), [2]);
        database.end_session(&[3; 16], at(300), at(150)).unwrap();
        assert_eq!(ended(&database, 50), [2, 3], "the first is gone");
    }
}
