//! rrdtool's round-robin files: their bytes and their arithmetic.
//!
//! The core is pure. A [`definition::Definition`] becomes a whole file ([`create::create`]); the first
//! [`header::Outline::header_len`] bytes of a file become a [`header::Header`], which [`header::Header::update`] moves
//! forward in memory while the rows to write go to a [`writes::Writes`]; [`fetch::plan`] says which bytes answer a
//! question and [`fetch::Plan::read`] decodes them; [`reshape::reshape`] gives a file other columns,
//! [`resample::resample`] other archives; [`rpn`] calculates with columns, [`graph`] with whole definitions of
//! rrdtool's graphs; [`mod@print`] shows a file as rrdtool does, [`restore`] reads it again. No clock, file, socket or
//! randomness in any of them. [`mod@file`] maps and locks real files, [`cli`] speaks rrdtool's command line on top of
//! it.
//!
//! ```
//! use ravenry_rrd::{definition::Definition, create::create, header::Header, update::Input, writes::Writes};
//!
//! let definition = Definition::parse(300, 1_000_000_000, &["DS:load:GAUGE:600:0:U", "RRA:AVERAGE:0.5:1:576"]).unwrap();
//! let mut file = create(&definition).unwrap();
//! let mut header = Header::parse(&file, file.len() as u64).unwrap();
//! let mut writes = Writes::new();
//! header.update(1_000_000_200, 0, &[Input::Text(b"0.25")], &mut writes).unwrap();
//! header.update(1_000_000_500, 0, &[Input::Number(0.5)], &mut writes).unwrap();
//! header.live_write(&mut writes);
//! writes.apply(&mut file);
//! assert_eq!(Header::parse(&file, file.len() as u64).unwrap().last_update(), (1_000_000_500, 0));
//! ```
//!
//! Invariant: after the same updates the bytes equal those of rrdtool 1.7.2 to 1.9.0 on x86-64, apart from the row at
//! which a new archive starts, which rrdtool draws at random and we do not.

pub mod at;
mod civil;
pub mod cli;
mod consolidate;
pub mod create;
pub mod decimal;
pub mod definition;
pub mod diff;
pub mod fetch;
pub mod file;
pub mod foreign;
pub mod formula;
pub mod graph;
pub mod header;
mod holt_winters;
mod image;
pub mod layout;
mod local;
pub mod mend;
pub mod modify;
mod prefill;
pub mod print;
pub mod resample;
pub mod reshape;
pub mod restore;
pub mod rpn;
mod strftime;
pub mod tune;
pub mod update;
pub mod writes;
pub mod zone;

/// rrdtool's *unknown*: the NaN that 0.0 / 0.0 gives on x86-64, sign bit set. `f64::NAN` has other bytes.
pub const UNKNOWN: f64 = f64::from_bits(layout::UNKNOWN_BITS);
