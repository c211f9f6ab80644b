//! The time zone of this machine, as the C library finds it. Everything else is given a zone.

use std::fs;
use std::path::Path;

use chrono_tz::{TZ_VARIANTS, Tz};

/// The zone of this machine.
const LOCAL: &str = "/etc/localtime";
/// Every zone that this machine knows, a file each.
const ZONES: &str = "/usr/share/zoneinfo";

/// The zone that `TZ` names, else that of `/etc/localtime`; UTC where neither names one that we know. Of rules in `TZ` only
/// those that never change and have whole hours are understood (`UTC-3`, `<-05>5`), not `CET-1CEST,M3.5.0,M10.5.0/3`.
#[must_use]
pub fn of_system() -> Tz {
    match std::env::var("TZ") {
        Ok(text) => {
            let text = text.strip_prefix(':').unwrap_or(&text);
            named(text).or_else(|| fixed(text))
        }
        Err(_) => of_machine(Path::new(LOCAL), Path::new(ZONES)),
    }
    .unwrap_or(Tz::UTC)
}

/// What `local` links to, or, where it is a file (containers are given a copy), the zone whose file is the same.
fn of_machine(local: &Path, zones: &Path) -> Option<Tz> {
    if let Ok(target) = fs::read_link(local) {
        return named(target.to_str()?);
    }
    let rules = fs::read(local).ok()?;
    let same = |zone: &Tz| {
        let path = zones.join(zone.name());
        let alike = fs::metadata(&path).is_ok_and(|found| found.len() == rules.len() as u64);
        alike && fs::read(path).is_ok_and(|found| found == rules)
    };
    TZ_VARIANTS.into_iter().find(same)
}

/// A name, or the path of a zone file whose end is one.
fn named(text: &str) -> Option<Tz> {
    let path = Path::new(text);
    let mut parts = path.components();
    loop {
        if let Ok(zone) = parts.as_path().to_str()?.parse() {
            return Some(zone);
        }
        parts.next()?;
    }
}

/// A rule without summer time: letters or a name in `<>`, then the hours that are missing to UTC.
fn fixed(text: &str) -> Option<Tz> {
    let hours = match text.strip_prefix('<') {
        Some(rest) => rest.split_once('>')?.1,
        None => text.trim_start_matches(|letter: char| letter.is_ascii_alphabetic()),
    };
    if hours == text {
        return None;
    }
    let west: i32 = hours.parse().ok()?;
    // Of 13 and 14 hours there are zones in the east only.
    format!("Etc/GMT{west:+}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_paths_of_zone_files_are_understood() {
        for (text, zone) in [
            ("Europe/Zurich", Some(Tz::Europe__Zurich)),
            ("/usr/share/zoneinfo/Etc/UTC", Some(Tz::Etc__UTC)),
            ("UTC", Some(Tz::UTC)),
            ("", None),
            ("Nowhere/Town", None),
        ] {
            assert_eq!(named(text), zone, "{text}");
        }
    }

    #[test]
    fn rules_that_never_change_are_understood() {
        for (text, zone) in [
            ("UTC+3", Some(Tz::Etc__GMTPlus3)),
            ("<-05>5", Some(Tz::Etc__GMTPlus5)),
            ("MSK-3", Some(Tz::Etc__GMTMinus3)),
            ("UTC0", Some(Tz::Etc__GMTPlus0)),
            ("<+0330>-3:30", None),
            ("CET-1CEST,M3.5.0,M10.5.0/3", None),
            ("UTC+99", None),
            ("<-05", None),
            ("-3", None),
            ("", None),
        ] {
            assert_eq!(fixed(text), zone, "{text}");
        }
    }

    #[test]
    fn a_copy_of_a_zone_file_is_that_zone() -> std::io::Result<()> {
        let folder = tempfile::tempdir()?;
        let zones = folder.path().join("zoneinfo");
        fs::create_dir_all(zones.join("Europe"))?;
        fs::write(zones.join("Europe/Berlin"), "rules of Berlin")?;
        fs::write(zones.join("Europe/Zurich"), "rules of Zurich")?;
        let local = folder.path().join("localtime");
        assert_eq!(of_machine(&local, &zones), None);
        fs::write(&local, "rules of Zurich")?;
        assert_eq!(of_machine(&local, &zones), Some(Tz::Europe__Zurich));
        fs::write(&local, "rules of nobody")?;
        assert_eq!(of_machine(&local, &zones), None);
        fs::remove_file(&local)?;
        std::os::unix::fs::symlink("/usr/share/zoneinfo/Asia/Kolkata", &local)?;
        assert_eq!(of_machine(&local, &zones), Some(Tz::Asia__Kolkata));
        Ok(())
    }
}
