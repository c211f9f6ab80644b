//! A crafted file that is updated: nothing panics, no write lies outside the file, and it can be read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ravenry_rrd::header::Header;
use ravenry_rrd::update::Input;
use ravenry_rrd::writes::Writes;

/// Bytes at the end of the input that are no part of the file: values and how far apart they are.
const UPDATES: usize = 64;

fuzz_target!(|data: &[u8]| {
    let Some((file, updates)) = data.split_last_chunk::<UPDATES>() else {
        return;
    };
    let mut file = file.to_vec();
    let Ok(mut header) = Header::parse(&file, file.len() as u64) else {
        return;
    };
    let mut writes = Writes::new();
    for update in updates.chunks_exact(8) {
        let gap = i64::from(u16::from_le_bytes([update[0], update[1]]));
        let inputs: Vec<Input<'_>> = header
            .inputs()
            .iter()
            .enumerate()
            .map(|(index, _)| Input::Text(&update[2 + index % 3..8]))
            .collect();
        let (last, _) = header.last_update();
        let _ = header.update_in_place(last.saturating_add(gap), u32::from(update[7]), &inputs, &mut writes);
    }
    header.live_write(&mut writes);
    writes.merge();
    for (offset, bytes) in writes.iter() {
        assert!(offset + bytes.len() as u64 <= file.len() as u64);
    }
    writes.apply(&mut file);
    Header::parse(&file, file.len() as u64).unwrap();
});
