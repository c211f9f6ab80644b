//! The time zone of this machine, as the C library finds it. Everything else is given a zone.

use std::path::Path;

use chrono_tz::Tz;

/// The zone that `TZ` names, else that of `/etc/localtime`; UTC where neither names one that we know. Of `TZ` only names
/// such as `Europe/Zurich` are understood, not rules such as `CET-1CEST,M3.5.0,M10.5.0/3`.
#[must_use]
pub fn of_system() -> Tz {
    match std::env::var("TZ") {
        Ok(text) => named(text.strip_prefix(':').unwrap_or(&text)),
        Err(_) => std::fs::read_link("/etc/localtime")
            .ok()
            .and_then(|target| named(target.to_str()?)),
    }
    .unwrap_or(Tz::UTC)
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
}
