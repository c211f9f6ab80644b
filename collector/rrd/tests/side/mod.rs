//! Our side of a comparison of created files.

use ravenry_rrd::cli;
use ravenry_rrd::header::Header;

/// A file's bytes, with the rows of each archive in order of time and without the numbers of the current rows.
pub(crate) fn in_order(file: &[u8]) -> Vec<u8> {
    let header = Header::parse(file, file.len() as u64).unwrap();
    let rows_at = header.size_bytes() - 8 * header.archives().len();
    let mut out = file[..rows_at].to_vec();
    let width = 8 * header.sources().len();
    for (index, archive) in header.archives().iter().enumerate() {
        for age in 1..=archive.rows {
            let row = (header.current_row(index) + age) % archive.rows;
            let at = archive.offset as usize + row as usize * width;
            out.extend(&file[at..at + width]);
        }
    }
    out
}

/// Runs our command line: its error, if it has one.
pub(crate) fn ours(words: &[String]) -> Result<(), String> {
    let (mut output, mut errors) = (Vec::new(), Vec::new());
    let mut around = cli::Surroundings {
        now: (1_000_010_000, 0),
        zone: chrono_tz::Tz::UTC,
        input: &mut std::io::empty(),
        output: &mut output,
        errors: &mut errors,
    };
    if cli::main(words, &mut around) == 0 {
        Ok(())
    } else {
        Err(String::from_utf8(errors).unwrap())
    }
}
