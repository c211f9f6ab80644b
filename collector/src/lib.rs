//! The collector: receives and polls, journals, stores, judges, and answers pages.

pub mod catalog;
pub mod config;
pub mod database;
pub mod entry;
pub mod ingest;
pub mod journal;
pub mod judge;
pub mod receive;
pub mod store;
pub mod token;
