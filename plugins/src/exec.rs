//! The exec helper: a program of ours becomes the plugin.
//!
//! Switching user, setting limits and leaving the session must happen in the child. Done between fork and exec they
//! would make a large process copy its page tables (45 ms at 1 GB); so [`crate::run`] starts `HELPER __exec ORDER PROGRAM
//! ARGS...` without any of that, which is a `posix_spawn`, and the helper does it and executes the plugin. The helper is
//! `ravenry-exec`, which is small and begins quickly, or, where that is not there, our own program once more.
//!
//! What the plugin finds: its own session and process group, the user and groups of the order, no open file but 0, 1
//! and 2, at most the order's number of them, no core dumps, umask 0002, `/` as its folder, the
//! first place among those that go when memory runs out, and death when the thread
//! that started it is gone. Where that is not possible the plugin is not run: the helper says why on stderr, in one line
//! beginning with [`REFUSAL`], and exits with [`REFUSED`].

use std::ffi::{CString, OsString};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::Signal;
use nix::sys::stat::{Mode, umask};
use nix::unistd::{
    Gid, Group, Uid, User, close, getegid, geteuid, getgroups, getppid, initgroups, setgid,
    setgroups, setsid, setuid,
};
use serde::{Deserialize, Serialize};

/// The first argument that makes a program of ours the helper.
pub const WORD: &str = "__exec";
/// The helper's exit code when it did not become the plugin.
pub const REFUSED: i32 = 125;
/// The helper as a program of its own.
const PROGRAM: &str = "ravenry-exec";
/// Our own program, also after its file was replaced.
pub(crate) const OURSELVES: &str = "/proc/self/exe";

/// The helper to use: the one that lies beside this program, or this program itself, which must call [`dispatch`].
#[must_use]
pub fn helper() -> PathBuf {
    let beside = std::env::current_exe().map(|program| program.with_file_name(PROGRAM));
    match beside {
        Ok(beside) if beside.is_file() => beside,
        Ok(_) | Err(_) => PathBuf::from(OURSELVES),
    }
}

/// Whether that is the helper as a program of its own.
pub(crate) fn is_helper(program: &Path) -> bool {
    program.file_name().is_some_and(|name| name == PROGRAM)
}

/// What the helper's reason begins with.
pub const REFUSAL: &str = "ravenry exec: ";

/// What the helper does before it becomes the plugin.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Name or number of the user; none is the user of the agent.
    pub user: Option<String>,
    /// Groups instead of the user's own: the first becomes the process' group, all become supplementary.
    pub groups: Vec<GroupWanted>,
    /// Files that it may have open.
    pub open_files: u64,
    /// The process that started the helper.
    pub parent: i32,
}

/// A group that a plugin runs with.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct GroupWanted {
    /// Name or number.
    pub name: String,
    /// Whether the plugin runs without it where there is no such group.
    pub optional: bool,
}

/// Becomes the plugin and does not return, when the first argument is [`WORD`]; else does nothing.
///
/// Every program of ours calls this first thing in `main`, before any thread is started.
pub fn dispatch() {
    let mut args = std::env::args_os().skip(1);
    if args.next().is_none_or(|word| word != WORD) {
        return;
    }
    let refused = become_plugin(args);
    eprintln!("{REFUSAL}{refused}");
    std::process::exit(REFUSED);
}

/// Why the plugin was not run.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("expected an order and a program as arguments, found {found}")]
    Arguments { found: String },
    #[error("the program that started it is gone")]
    Orphaned,
    #[error("there is no user {name:?}")]
    NoUser { name: String },
    #[error("there is no group {name:?}")]
    NoGroup { name: String },
    #[error(
        "it is to run as {wanted}, and only root may switch to another user or group (this agent is uid {uid})"
    )]
    NotRoot { wanted: String, uid: Uid },
    #[error("{step} failed: {errno}")]
    Step { step: &'static str, errno: Errno },
    #[error("{} cannot be executed: {source}", Path::new(program).display())]
    NotExecutable {
        program: OsString,
        source: std::io::Error,
    },
}

fn become_plugin(mut args: impl Iterator<Item = OsString>) -> Refusal {
    let (Some(order), Some(program)) = (args.next(), args.next()) else {
        return Refusal::Arguments {
            found: "fewer".to_owned(),
        };
    };
    let order = match serde_json::from_slice(order.as_encoded_bytes()) {
        Ok(order) => order,
        Err(error) => {
            return Refusal::Arguments {
                found: error.to_string(),
            };
        }
    };
    if let Err(refusal) = prepare(&order) {
        return refusal;
    }
    // Sets SIGPIPE and the signal mask back to their defaults, takes `program` as argv[0], has glibc run a script
    // without `#!` through sh, and returns only when it failed.
    #[expect(clippy::disallowed_methods, reason = "this is the exec helper")]
    let source = Command::new(&program).args(args).exec();
    Refusal::NotExecutable { program, source }
}

fn prepare(order: &Order) -> Result<(), Refusal> {
    let step = |step| move |errno| Refusal::Step { step, errno };
    setsid().map_err(step("leaving the session"))?;
    close_inherited();
    setrlimit(Resource::RLIMIT_CORE, 0, 0).map_err(step("forbidding core dumps"))?;
    limit_open_files(order.open_files).map_err(step("limiting open files"))?;
    go_first_when_memory_runs_out();
    umask(Mode::S_IWOTH);
    nix::unistd::chdir("/").map_err(step("going to /"))?;
    switch_user(order)?;
    // After the switch, which clears it. The signal reaches this process only, not what it starts.
    prctl::set_pdeathsig(Signal::SIGKILL).map_err(step("binding to the agent's life"))?;
    if getppid().as_raw() != order.parent {
        return Err(Refusal::Orphaned);
    }
    Ok(())
}

/// Before any service of the host. Where the kernel does not let us, the plugin runs all the same.
fn go_first_when_memory_runs_out() {
    const LIKELY: i32 = 500;
    let path = "/proc/self/oom_score_adj";
    let now = std::fs::read_to_string(path).unwrap_or_default();
    if now.trim().parse::<i32>().is_ok_and(|now| now < LIKELY) {
        let _ = std::fs::write(path, LIKELY.to_string());
    }
}

/// Closes everything beyond stderr. What cannot be listed or closed was not open.
fn close_inherited() {
    let Ok(folder) = std::fs::read_dir("/proc/self/fd") else {
        return;
    };
    let open: Vec<i32> = folder
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|fd| *fd > 2)
        .collect();
    for fd in open {
        // The listing's own descriptor is among them and is closed already.
        let _ = close(fd);
    }
}

fn limit_open_files(wanted: u64) -> Result<(), Errno> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let limit = wanted.min(hard);
    setrlimit(Resource::RLIMIT_NOFILE, limit, limit)
}

fn switch_user(order: &Order) -> Result<(), Refusal> {
    let user = order.user.as_deref().map(user_named).transpose()?;
    let groups = groups_named(&order.groups)?;
    let uid = user.as_ref().map_or(geteuid(), |user| user.uid);
    if !geteuid().is_root() {
        return stay(order, uid, &groups);
    }
    let step = |step| move |errno| Refusal::Step { step, errno };
    if let Some(first) = groups.first() {
        setgroups(&groups).map_err(step("setting groups"))?;
        setgid(*first).map_err(step("setting the group"))?;
    } else if let Some(user) = &user {
        let name = CString::new(user.name.as_str()).unwrap_or_default();
        initgroups(&name, user.gid).map_err(step("setting the user's groups"))?;
        setgid(user.gid).map_err(step("setting the user's group"))?;
    }
    setuid(uid).map_err(step("setting the user"))
}

/// Without root there is nothing to switch: either all that is wanted is there already, or it is refused.
fn stay(order: &Order, uid: Uid, groups: &[Gid]) -> Result<(), Refusal> {
    let mut have = getgroups().unwrap_or_default();
    have.push(getegid());
    if uid == geteuid() && groups.iter().all(|group| have.contains(group)) {
        return Ok(());
    }
    let names: Vec<&str> = order
        .groups
        .iter()
        .map(|group| group.name.as_str())
        .collect();
    let user = order.user.as_deref().map(|user| format!("user {user}"));
    let group = (!names.is_empty()).then(|| format!("group {}", names.join(", ")));
    let wanted: Vec<String> = user.into_iter().chain(group).collect();
    Err(Refusal::NotRoot {
        wanted: wanted.join(" and "),
        uid: geteuid(),
    })
}

fn user_named(name: &str) -> Result<User, Refusal> {
    let found = match name.parse() {
        Ok(uid) => User::from_uid(Uid::from_raw(uid)),
        Err(_) => User::from_name(name),
    };
    found.ok().flatten().ok_or_else(|| Refusal::NoUser {
        name: name.to_owned(),
    })
}

fn groups_named(wanted: &[GroupWanted]) -> Result<Vec<Gid>, Refusal> {
    let mut groups = Vec::with_capacity(wanted.len());
    for GroupWanted { name, optional } in wanted {
        let found = match name.parse() {
            Ok(gid) => Some(Gid::from_raw(gid)),
            Err(_) => Group::from_name(name).ok().flatten().map(|group| group.gid),
        };
        match found {
            Some(gid) => groups.push(gid),
            None if *optional => {}
            None => return Err(Refusal::NoGroup { name: name.clone() }),
        }
    }
    Ok(groups)
}
