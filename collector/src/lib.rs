//! The collector: receives and polls, journals, stores, judges, and answers pages.

pub mod catalog;
pub mod config;
pub mod database;
pub mod entry;
pub mod journal;
pub mod store;
