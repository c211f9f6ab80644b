//! What `help` and a command without words print.

/// What `--version` prints. Programs look for rrdtool's name and version in it.
pub(super) const VERSION: &str = concat!(
    "ravenry rrd ",
    env!("CARGO_PKG_VERSION"),
    ", with the files and the command line of RRDtool 1.7.2\n"
);

/// Name, what may follow it, and what it does.
const COMMANDS: [(&str, &str, &str); 16] = [
    (
        "create",
        "FILE [--start|-b TIME] [--step|-s SECONDS] [--no-overwrite|-O] [--template|-t RRD]\n\
         \x20   [--source|-r RRD]... DS:NAME[=OTHER[[NUMBER]]]:... RRA:...",
        "makes a file",
    ),
    (
        "update",
        "FILE [--template|-t NAMES] [--skip-past-updates|-s] TIME:VALUE[:VALUE...] ...",
        "stores values",
    ),
    (
        "updatev",
        "FILE [--template|-t NAMES] [--skip-past-updates|-s] TIME:VALUE[:VALUE...] ...",
        "stores values and prints the rows that become complete",
    ),
    (
        "fetch",
        "FILE CF [--resolution|-r SECONDS] [--start|-s TIME] [--end|-e TIME] [--align-start|-a]",
        "prints the rows of a time",
    ),
    (
        "info",
        "FILE",
        "prints what a file is made of and what it has gathered",
    ),
    (
        "first",
        "FILE [--rraindex|-r NUMBER]",
        "prints the time of an archive's oldest row",
    ),
    ("last", "FILE", "prints the time of the last update"),
    ("lastupdate", "FILE", "prints the last update's values"),
    (
        "dump",
        "FILE [XML] [--header|-h none|xsd|dtd] [--no-header|-n]",
        "prints a whole file as XML",
    ),
    (
        "restore",
        "XML FILE [--range-check|-r] [--force-overwrite|-f]",
        "makes a file from what dump has printed; XML may be - for standard input",
    ),
    (
        "tune",
        "FILE [OPTION...] [DEL:NAME] [DS:...] [DELRRA:NUMBER] [RRA:...] [RRA#NUMBER:[+-=]ROWS]\n\
         \x20   [--heartbeat|-h NAME:SECONDS] [--minimum|-i NAME:NUMBER] [--maximum|-a NAME:NUMBER]\n\
         \x20   [--data-source-type|-d NAME:TYPE] [--data-source-rename|-r NAME:NEW]\n\
         \x20   [--deltapos|-p NUMBER] [--deltaneg|-n NUMBER] [--window-length|-w ROWS]\n\
         \x20   [--failure-threshold|-f ROWS] [--alpha|-x NUMBER] [--beta|-y NUMBER] [--gamma|-z NUMBER]\n\
         \x20   [--gamma-deviation|-v NUMBER] [--smoothing-window|-s NUMBER]\n\
         \x20   [--smoothing-window-deviation|-S NUMBER] [--aberrant-reset|-b NAME] [--step|-t SECONDS]",
        "changes a file; without options it prints its data sources",
    ),
    (
        "resize",
        "FILE NUMBER GROW|SHRINK ROWS",
        "writes resize.rrd, in which an archive has more or fewer rows",
    ),
    (
        "list",
        "DIRECTORY [--recursive|-r]",
        "prints the names of the files and directories in a directory",
    ),
    (
        "xport",
        "[--start|-s TIME] [--end|-e TIME] [--maxrows|-m ROWS] [--step SECONDS] [--enumds] [--json]\n\
         \x20   [--showtime|-t] DEF:... [CDEF:...] [VDEF:...] [SHIFT:...] XPORT:NAME[:LEGEND] ...",
        "calculates with the rows of files and prints them as XML or JSON",
    ),
    (
        "graph",
        "FILE|- [--start|-s TIME] [--end|-e TIME] [--width|-w PIXELS] [--height|-h PIXELS] [--title|-t TEXT]\n\
         \x20   [--vertical-label|-v TEXT] [--imgformat|-a PNG|SVG] [OPTION...] DEF:... [CDEF:...] [VDEF:...]\n\
         \x20   [LINE:...] [AREA:...] [TICK:...] [HRULE:...] [VRULE:...] [GPRINT:...] [COMMENT:...] [PRINT:...]",
        "draws a picture, and prints its size and values",
    ),
    (
        "graphv",
        "FILE|- as graph",
        "draws a picture, and prints by name all that is known of it",
    ),
];

/// The commands.
pub(super) fn all() -> String {
    let mut text = "Works on RRD files as rrdtool does: ravenry rrd COMMAND ...\n\n".to_owned();
    for (name, _, does) in COMMANDS {
        text += &format!("  {name:<10}  {does}\n");
    }
    text + "\nThe words of a command: ravenry rrd help COMMAND\n\
            Times are UTC seconds, or as in rrdfetch(1): now, -1d, end-24h, noon yesterday, 20:15 3/14/2026.\n"
}

/// One command; `None` when there is none of that name.
pub(super) fn of(command: &str) -> Option<String> {
    let (name, words, does) = COMMANDS.iter().find(|(name, _, _)| *name == command)?;
    Some(format!(
        "Usage: ravenry rrd {name} {words}\n{name} {does}.\n"
    ))
}

/// The error for words that are no words of a command.
pub(super) fn usage(command: &str) -> String {
    let found = COMMANDS.iter().find(|(name, _, _)| *name == command);
    found.map_or_else(String::new, |(name, words, _)| {
        format!("usage: rrd {name} {words}")
    })
}
