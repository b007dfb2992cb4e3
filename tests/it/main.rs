//! One integration binary; a module a subject.

mod event_log;
mod golden;
mod http;
mod ladder;
mod simulation;
mod tidy;
mod views;
mod wire_against_rsip;
