//! Makes Rust of the protocol's description, without a compiler of the machine's.

use std::io;

const FILES: [&str; 4] = ["streams.proto", "server_features.proto", "gossip.proto", "persistent.proto"];

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed=proto");
    let described = protox::compile(FILES, ["proto"]).map_err(io::Error::other)?;
    // Payloads stay slices of what came in.
    tonic_build::configure().build_client(false).bytes(["."]).btree_map(["."]).compile_fds(described)
}
