//! One integration binary; a module a subject.

mod event_log;
mod http;
mod tidy;
mod views;
