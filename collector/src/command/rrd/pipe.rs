//! `ravenry rrd -`: rrdtool's pipe mode, which scripts keep open. A command a line comes in; its output goes out, and behind
//! it `OK u:... s:... r:...` (seconds of CPU in the program and in the kernel, and since the start) or `ERROR: ...`.

use std::io::{self, BufRead, Read, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;
use std::{env, fs};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use ravenry_plugins::clock;
use ravenry_rrd::cli::{self, Surroundings};
use ravenry_rrd::zone;

use super::picture;

/// A longer line is refused: 100,000 updates of 100 fields are as long.
const LINE_BYTES_MAX: u64 = 64 << 20;

/// Serves standard input until its end or `quit`, in `folder` where one is given.
pub(super) fn run(folder: Option<&str>) -> ExitCode {
    let entered = folder
        .filter(|folder| !folder.is_empty())
        .map_or(Ok(()), enter);
    if let Err(text) = entered {
        eprintln!("ERROR: {text}");
        return ExitCode::FAILURE;
    }
    let mut output = io::BufWriter::new(io::stdout().lock());
    match serve(&mut io::stdin().lock(), &mut output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn enter(folder: &str) -> Result<(), String> {
    if nix::unistd::geteuid().is_root() {
        return Err(format!(
            "- {folder}: for root rrdtool makes this the root of all paths, which is not supported: change to it and use - alone"
        ));
    }
    env::set_current_dir(folder).map_err(|error| format!("chdir {folder} {error}"))
}

/// What a line is answered with.
enum Answer {
    /// `OK`, behind its output.
    Done,
    /// Nothing: it was `quit`.
    Quit,
}

fn serve(input: &mut dyn BufRead, output: &mut dyn Write) -> io::Result<()> {
    let began = clock::monotonic();
    loop {
        let mut line = Vec::new();
        let mut limited = Read::take(&mut *input, LINE_BYTES_MAX);
        limited.read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return output.flush();
        }
        match answer(&line, input, output) {
            Ok(Answer::Done) => writeln!(output, "{}", ok(began))?,
            Ok(Answer::Quit) => return output.flush(),
            Err(text) => writeln!(output, "ERROR: {text}")?,
        }
        output.flush()?;
    }
}

fn ok(began: Instant) -> String {
    let seconds = |micros: i64| micros as f64 / 1e6;
    let (user, system) = getrusage(UsageWho::RUSAGE_SELF).map_or((0.0, 0.0), |usage| {
        let (user, system) = (usage.user_time(), usage.system_time());
        (
            seconds(user.num_microseconds()),
            seconds(system.num_microseconds()),
        )
    });
    let passed = began.elapsed().as_secs_f64();
    format!("OK u:{user:.2} s:{system:.2} r:{passed:.2}")
}

fn answer(line: &[u8], input: &mut dyn BufRead, output: &mut dyn Write) -> Result<Answer, String> {
    if line.len() as u64 == LINE_BYTES_MAX {
        return Err(format!(
            "line: expected less than {LINE_BYTES_MAX} bytes, found more"
        ));
    }
    let line = std::str::from_utf8(line).map_err(|error| format!("line: {error}"))?;
    let words = split(line).ok_or("creating arguments")?;
    let words_of_command = words.iter().map(String::as_str).collect::<Vec<_>>();
    let told = |error: io::Error| error.to_string();
    match words_of_command[..] {
        ["quit"] => return Ok(Answer::Quit),
        ["pwd"] => {
            let folder = env::current_dir().map_err(told)?;
            writeln!(output, "{}", folder.display()).map_err(told)?;
        }
        ["cd", folder] => {
            env::set_current_dir(folder).map_err(|error| format!("chdir {folder} {error}"))?;
        }
        ["mkdir", folder] => {
            fs::create_dir(folder).map_err(|error| format!("mkdir {folder}: {error}"))?;
        }
        ["ls"] => list(Path::new("."), output).map_err(told)?,
        [command @ ("quit" | "pwd" | "cd" | "mkdir" | "ls"), ..] => {
            return Err(format!("invalid parameter count for {command}"));
        }
        _ => return command(&words, input, output),
    }
    Ok(Answer::Done)
}

fn command(
    words: &[String],
    input: &mut dyn BufRead,
    output: &mut dyn Write,
) -> Result<Answer, String> {
    let now = clock::now();
    let mut errors = Vec::new();
    let mut around = Surroundings {
        now: (now.seconds(), now.subsec_micros()),
        zone: zone::of_system(),
        input,
        output,
        errors: &mut errors,
    };
    let code = cli::main_drawing(words, &mut around, &mut picture::draw);
    if code == 0 {
        return Ok(Answer::Done);
    }
    let errors = String::from_utf8_lossy(&errors);
    let text = errors.trim_end();
    Err(text.strip_prefix("ERROR: ").unwrap_or(text).to_owned())
}

/// Folders, and files that end in `.rrd`.
fn list(folder: &Path, output: &mut dyn Write) -> io::Result<()> {
    for itself_and_above in [".", ".."] {
        writeln!(output, "d {itself_and_above}")?;
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let Ok(metadata) = fs::metadata(entry.path()) else {
            continue;
        };
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let is_rrd = name.len() > 4 && (name.ends_with(".rrd") || name.ends_with(".RRD"));
        if metadata.is_dir() {
            writeln!(output, "d {name}")?;
        } else if metadata.is_file() && is_rrd {
            writeln!(output, "- {name}")?;
        }
    }
    Ok(())
}

/// The words of a line: spaces part them, quotes of either kind keep them together. `None` where a quote stays open.
fn split(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for letter in line.trim_matches(|letter| letter <= ' ').chars() {
        match (letter, quote) {
            (' ', None) => words.extend(word.take()),
            ('"' | '\'', None) => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (letter, Some(open)) if letter == open => quote = None,
            (letter, _) => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_parted_as_rrdtool_does() {
        let check = |line: &str, words: Option<&[&str]>| {
            let found = split(line);
            let expect = words.map(|words| words.iter().map(|word| (*word).to_owned()).collect());
            assert_eq!(found, expect, "{line:?}");
        };
        check("", Some(&[]));
        check("  info  a.rrd \r\n", Some(&["info", "a.rrd"]));
        check("update 'a b.rrd' N:1", Some(&["update", "a b.rrd", "N:1"]));
        check(
            r#"x DEF:"it's"=a 'say "no"'"#,
            Some(&["x", "DEF:it's=a", "say \"no\""]),
        );
        check("x '' y", Some(&["x", "", "y"]));
        check("x \"open", None);
    }

    fn session(lines: &str) -> String {
        let mut output = Vec::new();
        serve(&mut lines.as_bytes(), &mut output).unwrap();
        let text = String::from_utf8(output).unwrap();
        let lines = text.lines().map(|line| match line.split_once(" u:") {
            Some(("OK", numbers)) => {
                assert_eq!(numbers.matches(['s', 'r']).count(), 2, "{line}");
                "OK"
            }
            _ => line,
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_session_goes_on_after_an_error_and_ends_with_quit() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a b.rrd").display().to_string();
        let found = session(&format!(
            "create \"{file}\" --start 1000000000 --step 60 DS:a:GAUGE:120:U:U RRA:AVERAGE:0.5:1:10\n\
             update '{file}' 1000000060:1 1000000120:5\n\
             foo '{file}'\n\
             last '{file}'\n\
             first \"{file}\n\
             cd\n\
             quit now\n\
             quit\n\
             last '{file}'\n"
        ));
        assert_eq!(
            found,
            "OK\nOK\nERROR: unknown function 'foo'\n1000000120\nOK\nERROR: creating arguments\n\
             ERROR: invalid parameter count for cd\nERROR: invalid parameter count for quit"
        );
    }
}
