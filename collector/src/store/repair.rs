//! Mends what can be mended in a data directory in which no collector works. What is taken out of the way is renamed and
//! never removed, but for files that were only begun; what is rewritten is written beside its place, made safe, and renamed.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use ravenry_plugins::timestamp::Timestamp;
use ravenry_rrd::header::HeaderError;
use ravenry_rrd::mend::mend;
use ravenry_rrd::resample::{resample, rewind};
use ravenry_rrd::reshape::ReshapeError;

use super::fault::Remedy;
use super::layout::Shape;
use super::verify::Finding;

/// What will be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// To what, relative to the data directory.
    pub path: String,
    /// What is done.
    pub remedy: Remedy,
}

/// Why something could not be mended.
#[derive(Debug, thiserror::Error)]
pub enum RepairError {
    /// The disk, or what this user may do.
    #[error(transparent)]
    Disk(#[from] io::Error),
    /// It is another damage than it was.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// It has what we do not write.
    #[error(transparent)]
    Reshape(#[from] ReshapeError),
}

/// What would be done about `findings`: one thing a file.
#[must_use]
pub fn plan(findings: &[Finding]) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for finding in findings {
        if let Some(remedy) = finding.fault.remedy()
            && steps.last().is_none_or(|last| last.path != finding.path)
        {
            steps.push(Step {
                path: finding.path.clone(),
                remedy,
            });
        }
    }
    steps
}

/// Does it. Returns what was done, in a sentence.
///
/// # Errors
/// See [`RepairError`]; then it is as it was.
pub fn carry_out(data: &Path, step: &Step, now: Timestamp) -> Result<String, RepairError> {
    let place = data.join(&step.path);
    match &step.remedy {
        Remedy::SetAside => {
            let aside = format!("{}.damaged-{}", step.path, now.seconds());
            fs::rename(&place, data.join(&aside))?;
            Ok(format!("set aside as {aside}"))
        }
        Remedy::Permit => {
            fs::set_permissions(&place, Permissions::from_mode(0o644))?;
            Ok("its owner may read and write it".to_owned())
        }
        Remedy::Remove => {
            fs::remove_file(&place)?;
            Ok("removed".to_owned())
        }
        Remedy::MoveBack(to) => {
            fs::rename(&place, data.join(to))?;
            Ok(format!("moved back to {to}"))
        }
        Remedy::Mend => {
            let (bytes, changes) = mend(&fs::read(&place)?)?;
            replace(&place, &bytes)?;
            let changes: Vec<String> = changes.iter().map(ToString::to_string).collect();
            Ok(format!("mended: {}", changes.join("; ")))
        }
        Remedy::Rewind => {
            replace(&place, &rewind(&fs::read(&place)?, now.seconds())?)?;
            Ok(format!("what it had of times after {now} was left out"))
        }
    }
}

/// Gives a history file other rows, made of those it has.
///
/// # Errors
/// See [`RepairError`]; then it is as it was.
pub fn reshape_file(place: &Path, shape: &Shape) -> Result<(), RepairError> {
    let bytes = resample(&fs::read(place)?, shape.step, &shape.archives())?;
    Ok(replace(place, &bytes)?)
}

/// Makes safe what was renamed and written.
///
/// # Errors
/// As of the operating system.
pub fn make_safe(data: &Path) -> io::Result<()> {
    let folder = File::open(data)?;
    Ok(nix::unistd::syncfs(folder.as_fd())?)
}

/// Writes a file beside its place and renames it there; owner and mode stay.
fn replace(place: &Path, bytes: &[u8]) -> io::Result<()> {
    let metadata = fs::metadata(place)?;
    let beside: PathBuf = place.with_extension("new");
    drop(fs::remove_file(&beside));
    let written = || -> io::Result<()> {
        let mut file = File::create_new(&beside)?;
        file.write_all(bytes)?;
        file.set_permissions(metadata.permissions())?;
        if (metadata.uid(), metadata.gid()) != (file.metadata()?.uid(), file.metadata()?.gid()) {
            fchown(&file, Some(metadata.uid()), Some(metadata.gid()))?;
        }
        file.sync_all()?;
        fs::rename(&beside, place)
    };
    let done = written();
    if done.is_err() {
        drop(fs::remove_file(&beside));
    }
    done
}
