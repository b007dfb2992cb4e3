//! Ending the process where going on would break a promise already made.

/// Exit code of a process whose disk or source of randomness failed (`EX_SOFTWARE`).
pub const EXIT_FATAL: i32 = 70;

/// Ends the process. The argument is a sentence for the operator.
pub type OnFatal = fn(&str) -> !;

/// Prints the sentence and exits with [`EXIT_FATAL`].
pub fn exit(what: &str) -> ! {
    eprintln!("strowger: {what}");
    std::process::exit(EXIT_FATAL)
}
