//! The collector: receives and polls, journals, stores, judges, and answers pages.

pub mod judge;
