//! One integration binary; a module a subject.

mod event_log;
mod tidy;
mod views;
