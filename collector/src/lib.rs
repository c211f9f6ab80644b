//! The collector: receives and polls, journals, stores, judges, and answers pages.

pub mod config;
pub mod judge;
