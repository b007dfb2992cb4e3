//! A data folder as an exchange has it after a long time, for measurements: `scripts/bench start` makes its folders with it.
//!
//! ```text
//! large_log make FOLDER [events=N] [users=N] [numbers=N] [refreshes=N] [credentials=yes] [listen=IP:PORT] [phone=IP:PORT]
//! large_log read FOLDER
//! ```
//!
//! `make` writes with the product's own engine, provisioning and keyring: `events` of calls that have ended, a binding for each of
//! `users`, whose phones all are at `phone` and came by the listener `listen`, and as many `numbers`, each with a user as its
//! target. Phones have refreshed up to `refreshes` times. `read` tells how fast the log of a folder is followed, raw and folded.

mod making;
mod provision;
mod reading;
mod users;

use std::collections::HashMap;
use std::path::Path;
use std::process::ExitCode;

/// The account of everything, its secret as `scripts/harness/exchange.py` has it.
const ACCOUNT: &str = "AC0123456789abcdef0123456789abcdef";
const SECRET: &str = "fedcba9876543210fedcba9876543210";
/// The users' domain.
const DOMAIN: &str = "pbx.example";

/// What is to be made.
struct Wanted {
    events: u64,
    users: u32,
    numbers: u32,
    refreshes: u32,
    credentials: bool,
    listen: std::net::SocketAddr,
    phone: std::net::SocketAddr,
}

impl Wanted {
    fn of(words: &[String]) -> Self {
        let given: HashMap<&str, &str> = words.iter().map(|word| word.split_once('=').expect("name=value")).collect();
        let text = |name, default: &'static str| given.get(name).copied().unwrap_or(default).to_owned();
        Self {
            events: text("events", "10000").parse().expect("events=N"),
            users: text("users", "100000").parse().expect("users=N"),
            numbers: text("numbers", "100000").parse().expect("numbers=N"),
            refreshes: text("refreshes", "4").parse().expect("refreshes=N"),
            credentials: text("credentials", "no") == "yes",
            listen: text("listen", "127.0.0.1:5070").parse().expect("listen=IP:PORT"),
            phone: text("phone", "127.0.0.1:5090").parse().expect("phone=IP:PORT"),
        }
    }
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.as_slice() {
        [what, folder, rest @ ..] if what == "make" => making::make(Path::new(folder), &Wanted::of(rest)),
        [what, folder] if what == "read" => reading::read(Path::new(folder)),
        _ => {
            eprintln!("usage: large_log make FOLDER [name=value …] | large_log read FOLDER");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}
