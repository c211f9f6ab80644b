use std::io::Read;
fn main(){ for d in std::env::args().skip(1){ let r=|n:&str|std::fs::read_to_string(format!("{d}/{n}")).unwrap_or_default();
 let mut ev=r("events.jsonl"); if ev.is_empty(){ let mut g=flate2::read::GzDecoder::new(std::fs::File::open(format!("{d}/events.jsonl.gz")).unwrap()); g.read_to_string(&mut ev).unwrap(); }
 let s=ravenry_alerts::simulation::Scenario::parse(&r("topology.json"),&ev,&r("actions.jsonl")).unwrap();
 for t in ravenry_alerts::simulation::run(&s).unwrap(){ println!("{}",serde_json::to_string(&t).unwrap()); } } }
