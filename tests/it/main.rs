//! One integration binary; a module a subject.

mod event_log;
mod golden;
mod guard;
mod http;
mod injection;
mod ladder;
mod mutation;
mod notary;
mod simulation;
mod tidy;
mod torture;
mod views;
mod wire_against_rsip;
