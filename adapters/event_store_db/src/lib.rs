//! The EventStoreDB protocol (gRPC, version 20 and later) both ways: [`door`] serves any log to official clients,
//! [`client`] is the log's port over a store that speaks it.

pub mod client;
pub mod door;
mod metadata;
mod wire;

/// Both cryptographic providers of rustls are part of the build (`kurrentdb` and an HTTP client each bring one), so the
/// process must choose, once, before the first TLS configuration is made.
pub fn choose_crypto() {
    // Whoever chose before has chosen.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}
