//! One integration binary; a module a subject.

mod event_log;
mod http;
mod ladder;
mod tidy;
mod views;
mod wire_against_rsip;
