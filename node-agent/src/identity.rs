//! Who this agent is: an id drawn once, and a count of its starts, both durable in the state directory before anything is
//! sent under them. So a key (id, start, sequence) is never used twice, whatever the agent was doing when it was killed.
//!
//! The directory belongs to one agent at a time; [`claim`] holds a lock on it as long as the [`Claim`] lives.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};

use crate::environment::make_passable;

/// Where the id and the count are.
const IDENTITY: &str = "identity.json";

/// A state directory that is ours, and who we are.
#[derive(Debug)]
pub struct Claim {
    /// The agent's id: 32 hexadecimal digits.
    pub agent: String,
    /// This start's number, from 1.
    pub incarnation: u64,
    state_dir: PathBuf,
    _lock: Flock<File>,
}

/// Why a state directory cannot be used. The agent does not start.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// Another agent uses it.
    #[error("state directory {path}: expected to be its only user, found another agent at work")]
    Taken {
        /// The directory.
        path: PathBuf,
    },
    /// It cannot be made, read or written.
    #[error("state directory: cannot {verb} {path}")]
    Disk {
        /// What was tried.
        verb: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Identity {
    agent: String,
    incarnation: u64,
}

/// Takes the state directory, made when it is missing, and counts this start.
///
/// # Errors
/// When another agent has it, or the disk does not let us.
pub fn claim(state_dir: &Path) -> Result<Claim, ClaimError> {
    let failed = |verb, path: &Path| {
        let path = path.to_owned();
        move |source| ClaimError::Disk { verb, path, source }
    };
    make_passable(state_dir).map_err(failed("make", state_dir))?;
    let lock_path = state_dir.join("lock");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&lock_path);
    let file = file.map_err(failed("open", &lock_path))?;
    let lock =
        Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|_| ClaimError::Taken {
            path: state_dir.to_owned(),
        })?;
    let path = state_dir.join(IDENTITY);
    let before = load(&path).map_err(failed("read", &path))?;
    let now = match before {
        Some(identity) => Identity {
            incarnation: identity.incarnation.saturating_add(1),
            ..identity
        },
        None => Identity {
            agent: draw_id().map_err(failed("read", Path::new("/dev/urandom")))?,
            incarnation: 1,
        },
    };
    save(&path, &now).map_err(failed("write", &path))?;
    Ok(Claim {
        agent: now.agent,
        incarnation: now.incarnation,
        state_dir: state_dir.to_owned(),
        _lock: lock,
    })
}

impl Claim {
    /// Becomes another agent, durably: a new id, whose first start this is.
    ///
    /// # Errors
    /// When there is no randomness, or the disk does not let us; then it is who it was.
    pub fn renew(&mut self) -> io::Result<()> {
        let identity = Identity {
            agent: draw_id()?,
            incarnation: 1,
        };
        save(&self.state_dir.join(IDENTITY), &identity)?;
        self.agent = identity.agent;
        self.incarnation = identity.incarnation;
        Ok(())
    }
}

/// `None` when there is none yet, or it cannot be understood: then this becomes a new agent, whose keys are unused.
fn load(path: &Path) -> io::Result<Option<Identity>> {
    match fs::read(path) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes)
            .ok()
            .filter(|identity: &Identity| !identity.agent.is_empty())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes beside and renames, so that a crash leaves the old or the new one.
fn save(path: &Path, identity: &Identity) -> io::Result<()> {
    let beside = path.with_extension("new");
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(&beside)?;
    file.write_all(&serde_json::to_vec(identity)?)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    match path.parent() {
        Some(dir) => File::open(dir)?.sync_all(),
        None => Ok(()),
    }
}

fn draw_id() -> io::Result<String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_start_counts_and_the_id_stays() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("a/b");
        let first = claim(&state).unwrap();
        assert_eq!((first.incarnation, first.agent.len()), (1, 32));
        let id = first.agent.clone();
        drop(first);
        let second = claim(&state).unwrap();
        assert_eq!((second.incarnation, second.agent), (2, id));
    }

    #[test]
    fn a_second_agent_on_the_same_directory_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let _first = claim(dir.path()).unwrap();
        let error = claim(dir.path()).unwrap_err().to_string();
        assert!(error.ends_with("found another agent at work"), "{error}");
    }

    #[test]
    fn a_damaged_identity_makes_a_new_agent() {
        let dir = tempfile::tempdir().unwrap();
        let id = claim(dir.path()).unwrap().agent;
        fs::write(dir.path().join("identity.json"), "{").unwrap();
        let again = claim(dir.path()).unwrap();
        assert_eq!(again.incarnation, 1);
        assert_ne!(again.agent, id);
    }

    #[test]
    fn who_shares_an_id_becomes_another_agent_for_good() {
        let dir = tempfile::tempdir().unwrap();
        let mut claimed = claim(dir.path()).unwrap();
        let before = claimed.agent.clone();
        claimed.renew().unwrap();
        let after = claimed.agent.clone();
        assert_ne!(before, after);
        assert_eq!(claimed.incarnation, 1);
        drop(claimed);
        let again = claim(dir.path()).unwrap();
        assert_eq!((again.agent, again.incarnation), (after, 2));
    }
}
