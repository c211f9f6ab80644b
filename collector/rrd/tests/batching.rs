//! How updates are grouped and handed over leaves no trace in the bytes: a header kept in memory for a batch equals one
//! that is written and read again after every update, and a number equals its text.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use ravenry_rrd::create::create;
use ravenry_rrd::definition::Definition;
use ravenry_rrd::header::Header;
use ravenry_rrd::update::Input;
use ravenry_rrd::writes::Writes;

const KINDS: [&str; 6] = [
    "GAUGE", "COUNTER", "DERIVE", "ABSOLUTE", "DCOUNTER", "DDERIVE",
];

/// An input that owns its text.
#[derive(Clone, Debug)]
enum Given {
    Unknown,
    Count(u64),
    Number(f64),
    Text(String),
}

impl Given {
    fn input(&self) -> Input<'_> {
        match self {
            Self::Unknown => Input::Unknown,
            Self::Count(count) => Input::Count(*count),
            Self::Number(number) => Input::Number(*number),
            Self::Text(text) => Input::Text(text.as_bytes()),
        }
    }
}

fn given() -> impl Strategy<Value = Given> {
    prop_oneof![
        1 => Just(Given::Unknown),
        3 => any::<u64>().prop_map(Given::Count),
        3 => (0_u64..1_000_000).prop_map(Given::Count),
        3 => (-1_000_000_i64..1_000_000).prop_map(|number| Given::Number(number as f64)),
        2 => any::<f64>().prop_map(Given::Number),
        2 => any::<u64>().prop_map(|count| Given::Text(format!("{count:024}"))),
        1 => (-1000_i32..1000).prop_map(|number| Given::Text(format!("{}.{:03}", number, number.abs()))),
    ]
}

/// Rows of a second's multiple each and six inputs.
fn history(given: impl Strategy<Value = Given>) -> impl Strategy<Value = Vec<(i64, Vec<Given>)>> {
    let gap = prop_oneof![Just(60_i64), 1_i64..400, Just(3000)];
    prop::collection::vec((gap, prop::collection::vec(given, KINDS.len())), 1..12)
}

fn file() -> Vec<u8> {
    let sources: Vec<String> = KINDS
        .iter()
        .map(|kind| format!("DS:{kind}:{kind}:600:U:U"))
        .collect();
    let mut lines: Vec<&str> = sources.iter().map(String::as_str).collect();
    lines.extend([
        "RRA:AVERAGE:0.5:1:10",
        "RRA:MIN:0.5:3:5",
        "RRA:LAST:0.5:2:5",
    ]);
    create(&Definition::parse(60, 1_000_000_000, &lines).unwrap()).unwrap()
}

/// The file after a history, written every `batch` updates.
fn played(history: &[(i64, Vec<Given>)], batch: usize) -> Vec<u8> {
    let mut file = file();
    let mut time = 1_000_000_000;
    for rows in history.chunks(batch) {
        let mut header = Header::parse(&file, file.len() as u64).unwrap();
        let mut writes = Writes::new();
        for (gap, row) in rows {
            time += gap;
            let inputs: Vec<Input<'_>> = row.iter().map(Given::input).collect();
            let _ = header.update(time, 0, &inputs, &mut writes);
        }
        header.live_write(&mut writes);
        writes.apply(&mut file);
    }
    file
}

fn as_text(given: &Given) -> Given {
    match given {
        Given::Unknown => Given::Text("U".to_owned()),
        Given::Count(count) => Given::Text(count.to_string()),
        Given::Number(number) => Given::Text(number.to_string()),
        Given::Text(text) => Given::Text(text.clone()),
    }
}

/// The inputs that mean the same as their text in every kind: whole numbers, which are not rounded when read.
fn exact() -> impl Strategy<Value = Given> {
    given().prop_map(|given| match given {
        Given::Number(number) => Given::Number((number % 9e15).trunc()),
        Given::Unknown | Given::Count(_) | Given::Text(_) => given,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn batches_of_any_size_give_the_same_bytes(history in history(given())) {
        let one_by_one = played(&history, 1);
        prop_assert!(one_by_one == played(&history, history.len()));
        prop_assert!(one_by_one == played(&history, 3));
    }

    #[test]
    fn whole_numbers_equal_their_text(history in history(exact())) {
        let texts: Vec<(i64, Vec<Given>)> =
            history.iter().map(|(gap, row)| (*gap, row.iter().map(as_text).collect())).collect();
        prop_assert!(played(&history, 12) == played(&texts, 12));
    }
}
