//! A batch survives both forms; nothing else is taken, and each refusal says why.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::declaration::{Attributes, Declaration, FieldDeclaration};
use crate::nagios::Verdict;
use crate::name::{FieldName, GraphName, HostName};
use crate::problem::Problem;
use crate::reading::Reading;
use crate::timestamp::Timestamp;
use crate::wire::{FIELDS_MAX, Key, RunReport, SAMPLES_MAX, Samples, Series, VerdictReport};
use crate::wire::{Gone, GoneWhat};

const MSGPACK: Option<&str> = Some("application/msgpack");
const JSON: Option<&str> = Some("application/json; charset=utf-8");

fn batch() -> Batch {
    let mut attributes = Attributes::default();
    attributes.keep_first("label", "eth0: \"in\"");
    let field = FieldName::new("down").unwrap();
    let graph = GraphName::new("if_bytes.eth0").unwrap();
    Batch {
        version: VERSION,
        host: HostName::new("web1").unwrap(),
        key: Some(Key {
            agent: "a1b2".into(),
            incarnation: 3,
            sequence: i64::MAX as u64,
        }),
        graphs: vec![Declaration {
            host: Some(HostName::new("sw1").unwrap()),
            graph: graph.clone(),
            attributes: attributes.clone(),
            fields: vec![FieldDeclaration {
                field: field.clone(),
                attributes,
            }],
        }],
        series: Series {
            graph: vec![graph.clone(), graph],
            field: vec![field, FieldName::new("up").unwrap()],
            host: vec![None, Some(HostName::new("sw1").unwrap())],
        }
        .into(),
        samples: Samples {
            series: vec![0, 1, 0],
            time: vec![
                Timestamp::from_seconds(1_700_000_000),
                Timestamp::from_micros(1_700_000_000_123_456),
                Timestamp::from_seconds(1_700_000_060),
            ],
            value: vec![
                Reading::Count(u64::MAX),
                Reading::Unknown,
                Reading::Number(-0.5),
            ],
        },
        runs: vec![RunReport {
            plugin: "if_eth0".into(),
            time: Timestamp::from_seconds(1_700_000_000),
            duration_seconds: 0.25,
            error: Some("timed out".into()),
            problems: vec![Problem::new(
                "fetch",
                3,
                "expected a number or U, found \"x\"",
            )],
        }],
        verdicts: vec![VerdictReport {
            host: Some(HostName::new("sw1").unwrap()),
            check: GraphName::new("check_ping").unwrap(),
            time: Timestamp::from_seconds(1_700_000_000),
            verdict: Verdict::Critical,
            text: "PING CRITICAL - Packet loss = 100%".into(),
            interval_seconds: Some(60.0),
        }],
        gone: vec![
            Gone {
                host: None,
                what: GoneWhat::Plugin("if_eth0".into()),
            },
            Gone {
                host: Some(HostName::new("sw1").unwrap()),
                what: GoneWhat::Graph(GraphName::new("if_1").unwrap()),
            },
        ],
    }
}

/// What decoding says: `ok`, or the error.
fn said(body: &[u8], content_type: Option<&str>, content_encoding: Option<&str>) -> String {
    match decode(body, content_type, content_encoding, Limits::default()) {
        Ok(_) => "ok".to_owned(),
        Err(error) => error.to_string(),
    }
}

fn json_said(batch: &serde_json::Value) -> String {
    let bytes = serde_json::to_vec(batch).unwrap();
    let in_json = said(&bytes, JSON, None);
    let packed = said(&rmp_serde::to_vec_named(batch).unwrap(), MSGPACK, None);
    let (text, _position) = in_json.split_once(" at line ").unwrap_or((&in_json, ""));
    // Only MessagePack says beforehand how long a list is.
    let packed = match packed.rsplit_once(", found ") {
        Some((expected, _)) if text.ends_with("found more") => format!("{expected}, found more"),
        Some(_) | None => packed,
    };
    assert_eq!(text, packed, "JSON and MessagePack agree");
    packed
}

#[test]
fn a_batch_survives_every_way() {
    let batch = batch();
    for (encoding, content_type) in [(Encoding::MessagePack, MSGPACK), (Encoding::Json, JSON)] {
        let bytes = encode(&batch, encoding);
        let plain = decode(&bytes, content_type, None, Limits::default()).unwrap();
        assert_eq!(plain, batch);
        let zipped = decode(&gzip(&bytes), content_type, Some("gzip"), Limits::default()).unwrap();
        assert_eq!(zipped, batch);
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), Compression::fast());
        zlib.write_all(&bytes).unwrap();
        let deflated = zlib.finish().unwrap();
        let inflated = decode(&deflated, content_type, Some("deflate"), Limits::default()).unwrap();
        assert_eq!(inflated, batch);
    }
}

#[test]
fn every_beginning_of_a_batch_is_truncated() {
    for (encoding, content_type) in [(Encoding::MessagePack, MSGPACK), (Encoding::Json, JSON)] {
        let bytes = encode(&batch(), encoding);
        let zipped = gzip(&bytes);
        for end in 0..bytes.len() {
            let text = said(&bytes[..end], content_type, None);
            assert!(text.contains("the beginning of one"), "{end}: {text}");
        }
        for end in 0..zipped.len() {
            let text = said(&zipped[..end], content_type, Some("gzip"));
            assert!(text.contains("the beginning of one"), "{end}: {text}");
        }
    }
}

#[test]
fn another_version_is_named_whatever_the_rest_is() {
    let check = |value: serde_json::Value, expect: &str| assert_eq!(json_said(&value), expect);
    check(
        json!({"version": 2, "host": {"a": 1}}),
        "batch version 2: expected version 1",
    );
    check(
        json!({"hosts": [[[]]], "version": 2}),
        "batch version 2: expected version 1",
    );
    check(
        json!({"host": "web1"}),
        "batch: expected a version, found none",
    );
    check(json!({"version": 1, "host": "web1", "new": [1]}), "ok");
    let cut = said(b"{\"version\": 3, \"x\": ?", JSON, None);
    assert_eq!(cut, "batch version 3: expected version 1");
}

#[test]
fn columns_that_do_not_fit_are_refused() {
    let check = |rest: serde_json::Value, expect: &str| {
        let mut batch = json!({"version": 1, "host": "web1"});
        batch
            .as_object_mut()
            .unwrap()
            .extend(rest.as_object().unwrap().clone());
        assert_eq!(json_said(&batch), expect);
    };
    check(
        json!({"series": {"graph": ["a"], "field": []}}),
        "batch: series.field: expected as many entries as its neighbour has, 1, found 0",
    );
    check(
        json!({"series": {"graph": ["a"], "field": ["b"], "host": [null, null]}}),
        "batch: series.host: expected as many entries as its neighbour has, 1, found 2",
    );
    check(
        json!({"samples": {"series": [0], "time": [1], "value": [1, 2]}}),
        "batch: samples.value: expected as many entries as its neighbour has, 1, found 2",
    );
    check(
        json!({"samples": {"series": [0], "time": [1], "value": [1]}}),
        "batch: samples.series: expected an index below 0, found 0",
    );
    check(
        json!({"graphs": [{"graph": "g", "fields": [{"field": "a"}, {"field": "a"}]}]}),
        "batch: graph g: expected each field once, found a twice",
    );
    check(
        json!({"key": {"agent": "", "incarnation": 1, "sequence": 1}}),
        "batch: key.agent: expected 1 to 255 bytes without control characters, found \"\"",
    );
    check(
        json!({"key": {"agent": "a", "incarnation": u64::MAX, "sequence": 1}}),
        "batch: key.incarnation: expected a number below 2^63, found 18446744073709551615",
    );
    check(
        json!({"key": {"agent": "a", "incarnation": 1, "sequence": 1_u64 << 63}}),
        "batch: key.sequence: expected a number below 2^63, found 9223372036854775808",
    );
    check(
        json!({"runs": [{"plugin": "p", "time": 1, "duration_seconds": -1.0}]}),
        "batch: runs.duration_seconds: expected seconds, found -1",
    );
    let verdict = |field: &str, value: serde_json::Value| {
        let mut verdict = json!({"check": "c", "time": 1, "verdict": "ok"});
        verdict[field] = value;
        json!({"version": 1, "host": "h", "verdicts": [verdict]})
    };
    check(verdict("text", json!("all is well")), "ok");
    check(
        verdict("text", json!("x".repeat(4097))),
        "batch: verdicts.text: expected at most 4096 bytes, found 4097",
    );
    check(
        verdict("interval_seconds", json!(0)),
        "batch: verdicts.interval_seconds: expected seconds above 0, found 0",
    );
}

#[test]
fn names_that_are_paths_are_refused() {
    let text = json_said(&json!({"version": 1, "host": "../etc"}));
    assert!(
        text.starts_with("batch: host name \"../etc\": expected 1 to 253"),
        "{text}"
    );
}

#[test]
fn long_lists_are_refused_before_they_are_read_to_their_end() {
    let fields: Vec<_> = (0..=FIELDS_MAX)
        .map(|at| json!({"field": format!("f{at}")}))
        .collect();
    assert_eq!(
        json_said(
            &json!({"version": 1, "host": "h", "graphs": [{"graph": "g", "fields": fields}]})
        )
        .replace("1001", "more"),
        "batch: expected at most 1000 fields of a graph, found more"
    );
    let many = vec![0; SAMPLES_MAX + 1];
    let body = json!({"version": 1, "host": "h", "samples": {"series": many}});
    assert_eq!(
        json_said(&body),
        "batch: expected at most 100000 samples, found more"
    );
}

/// A MessagePack map `{version: 1, host: "h", graphs: [{graph: "g", fields: [` and the length of that last list.
fn before_fields(length: u32) -> Vec<u8> {
    let mut body =
        b"\x83\xa7version\x01\xa4host\xa1h\xa6graphs\x91\x82\xa5graph\xa1g\xa6fields\xdd".to_vec();
    body.extend(length.to_be_bytes());
    body
}

#[test]
fn a_hostile_length_gets_no_memory() {
    let text = said(&before_fields(u32::MAX), MSGPACK, None);
    assert_eq!(
        text,
        "batch: expected at most 1000 fields of a graph, found 4294967295"
    );
}

#[test]
fn ten_million_fields_are_refused() {
    let mut body = before_fields(10_000_000);
    body.extend(vec![0xc0; 10_000_000]);
    assert_eq!(
        said(&body, MSGPACK, None),
        "batch: expected at most 1000 fields of a graph, found 10000000"
    );
    let mut body =
        b"{\"version\":1,\"host\":\"h\",\"graphs\":[{\"graph\":\"g\",\"fields\":[".to_vec();
    body.extend(b"{\"field\":\"a\"},".repeat(10_000_000));
    let text = said(&gzip(&body), JSON, Some("gzip"));
    assert_eq!(
        text,
        "body: expected at most 16777216 bytes when decompressed, found more"
    );
    let limits = Limits {
        expanded_bytes: usize::MAX >> 1,
    };
    let text = decode(&body, JSON, None, limits).unwrap_err().to_string();
    assert!(
        text.starts_with("batch: expected at most 1000 fields of a graph, found more"),
        "{text}"
    );
}

#[test]
fn many_small_graphs_have_a_limit_together() {
    let fields: Vec<_> = (0..1000)
        .map(|at| json!({"field": format!("f{at}")}))
        .collect();
    let graphs: Vec<_> = (0..600)
        .map(|at| json!({"graph": format!("g{at}"), "fields": fields}))
        .collect();
    assert_eq!(
        json_said(&json!({"version": 1, "host": "h", "graphs": graphs})),
        "batch: expected graphs with at most 500000 fields and attributes in all, found more"
    );
}

#[test]
fn a_bomb_is_refused_by_the_limit() {
    let bomb = gzip(&vec![b' '; 64 << 20]);
    assert!(bomb.len() < 1 << 20);
    assert_eq!(
        said(&bomb, JSON, Some("gzip")),
        "body: expected at most 16777216 bytes when decompressed, found more"
    );
}

#[test]
fn other_forms_are_refused() {
    assert_eq!(
        said(b"", Some("text/html"), None),
        "content type \"text/html\": expected application/msgpack or application/json"
    );
    assert_eq!(
        said(b"", None, None),
        "content type \"\": expected application/msgpack or application/json"
    );
    assert_eq!(
        said(b"", JSON, Some("br")),
        "content encoding \"br\": expected gzip, deflate or none"
    );
    assert_eq!(
        said(b"not gzip at all", JSON, Some("gzip")),
        "body: expected gzip data"
    );
    assert!(said(&b"[".repeat(1 << 20), JSON, None).starts_with("batch: "));
    assert!(said(&b"\x91".repeat(1 << 20), MSGPACK, None).starts_with("batch: "));
    let mut deep = b"\x82\xa1x".to_vec();
    deep.extend(b"\x91".repeat(1 << 20));
    assert_eq!(said(&deep, MSGPACK, None), "batch: depth limit exceeded");
}

proptest! {
    #[test]
    fn garbage_is_refused_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        for content_type in [MSGPACK, JSON] {
            for content_encoding in [None, Some("gzip"), Some("deflate")] {
                prop_assert_ne!(said(&bytes, content_type, content_encoding), "ok");
            }
        }
    }

    #[test]
    fn a_flipped_byte_makes_no_panic(at in 0_usize..400, byte in any::<u8>()) {
        let mut bytes = encode(&batch(), Encoding::MessagePack);
        let at = at % bytes.len();
        bytes[at] = byte;
        said(&bytes, MSGPACK, None);
    }
}

/// What the short way takes it takes as the general one does, and what that refuses it leaves to it.
#[test]
fn both_ways_to_read_agree() {
    let batch = r#"{"version":1,"host":"web1","key":{"agent":"a","incarnation":2,"sequence":300},
        "graphs":[{"graph":"load","attributes":[["graph_title","Load"]],"fields":[{"field":"load"}]}],
        "series":{"graph":["load","load","cpu"],"field":["load","load5","user"],"host":[null,"web2",null]},
        "samples":{"series":[0,1,2,0,2,1],"time":[1700000000,1700000000.5,1700000001,1700000300,1700000301,1700000302],
            "value":[-3,0.25,18446744073709551615,null,-40000,70000]},
        "runs":[{"plugin":"load","time":1700000000,"duration_seconds":0.5,"error":"exit code 1"}],
        "verdicts":[{"check":"c","time":1700000000,"verdict":"ok"}]}"#;
    let batch: Batch = serde_json::from_str(batch).unwrap();
    let good = encode(&batch, Encoding::MessagePack);
    let tables = Tables::default();
    let short = |bytes: &[u8]| pack::read(bytes, &tables);
    assert_eq!(short(&good), Some((batch.clone(), good.len())));
    assert_eq!(short(&good).unwrap().0, batch, "with a table that is known");
    assert_eq!(unpack(&good, &tables), Some(batch));
    for at in 0..good.len() {
        for change in [1_u8, 0x10, 0x40, 0x80, 0xff] {
            let mut bytes = good.clone();
            bytes[at] ^= change;
            let general = decode(&bytes, Some("application/msgpack"), None, Limits::default());
            let found = receive(
                bytes.clone(),
                Some("application/msgpack"),
                None,
                Limits::default(),
                &tables,
            );
            match (general, found) {
                (Ok(general), Ok(found)) => assert_eq!(general, found.batch, "byte {at}"),
                (Err(general), Err(found)) => assert_eq!(general.to_string(), found.to_string()),
                (general, found) => panic!("byte {at}: {general:?} {found:?}"),
            }
        }
        assert_eq!(short(&good[..at]), None, "cut at {at}");
    }
}
