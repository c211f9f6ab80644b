//! Words that define a file. One that is accepted makes a file that can be read, and has the sources that were asked for.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ravenry_rrd::create::create;
use ravenry_rrd::definition::Definition;
use ravenry_rrd::header::Header;

fuzz_target!(|text: &str| {
    let words: Vec<&str> = text.split(' ').collect();
    let Ok(definition) = Definition::parse(300, 1_000_000_000, &words) else {
        return;
    };
    // Large files only take time.
    if definition.archives.iter().any(|archive| archive.rows > 1000) {
        return;
    }
    if let Ok(file) = create(&definition) {
        let header = Header::parse(&file, file.len() as u64).unwrap();
        assert_eq!(header.sources().len(), definition.sources.len());
    }
});
