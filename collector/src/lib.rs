//! The collector: receives and polls, journals, stores, judges, and answers pages.

#![forbid(unsafe_code)]

pub mod accounts;
pub mod admin;
pub mod catalog;
pub mod config;
pub mod database;
pub mod dead_man;
pub mod enroll;
pub mod entry;
pub mod health;
pub mod http;
pub mod ingest;
pub mod journal;
pub mod judge;
pub mod keeper;
pub mod lock;
pub mod own_graphs;
pub mod poll;
pub mod port;
pub mod receive;
pub mod recovery;
pub mod refusal;
pub mod secret;
pub mod serve;
pub mod source;
pub mod store;
pub mod token;
