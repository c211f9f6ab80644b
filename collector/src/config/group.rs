//! `[group.NAME]`: sets of hosts. A host may be in several; one that is in none is in [`UNGROUPED`].

pub use ravenry_alerts::topology::Group;
use ravenry_plugins::name::{GroupName, HostName};
use ravenry_plugins::settings::Section;

use super::Given;

/// The group of hosts that are in no other.
pub const UNGROUPED: &str = "ungrouped";

/// Takes all groups of a file.
pub(super) fn read(root: &mut Section<'_, '_>, given: &mut Given, groups: &mut Vec<Group>) {
    for (name, mut section) in root.named_sections("group") {
        let hosts = section.list("hosts").unwrap_or_default();
        let whole = format!("group.{}", name.value);
        if hosts.is_empty() {
            section.report(
                &section.span(),
                "hosts",
                "expected at least one host name or pattern, found none",
            );
        }
        match GroupName::new(&name.value) {
            Ok(group) if given.first_time(root, &whole, name.span.clone()) => {
                groups.push(Group { name: group, hosts });
            }
            Ok(_) => {}
            Err(error) => root.report(&name.span, &whole, error),
        }
        section.end();
    }
}

/// The groups that `host` is in, sorted; never empty.
#[must_use]
pub fn groups_of(groups: &[Group], host: &HostName) -> Vec<GroupName> {
    let is_in = |group: &&Group| {
        group
            .hosts
            .iter()
            .any(|pattern| pattern.matches(host.as_str()))
    };
    let mut names: Vec<GroupName> = groups
        .iter()
        .filter(is_in)
        .map(|group| group.name.clone())
        .collect();
    if names.is_empty() {
        names.extend(GroupName::new(UNGROUPED));
    }
    names.sort();
    names
}
