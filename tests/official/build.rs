//! Finds the client crate's source where cargo keeps it, and makes modules of its tests: none of their text is here.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, error::Error, fs};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=../../Cargo.lock");
    let tests = source_of("kurrentdb")?.join("tests");
    let module = |name: &str, file: &str| {
        let path = tests.join(file);
        format!("#[allow(warnings, clippy::all)]\n#[path = {path:?}]\nmod {name};\n")
    };
    let suite = module("common", "common.rs") + &module("streams", "api/streams.rs");
    fs::write(Path::new(&env::var("OUT_DIR")?).join("suite.rs"), suite)?;
    Ok(())
}

/// The folder of a package that we depend on.
fn source_of(package: &str) -> Result<PathBuf, Box<dyn Error>> {
    // Packages of other platforms are in the lock file and need not be on this machine.
    let platform = env::var("TARGET")?;
    let arguments = ["metadata", "--format-version=1", "--filter-platform", &platform];
    let output = Command::new(env::var("CARGO")?).args(arguments).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let packages = metadata["packages"].as_array().ok_or("cargo metadata lists no packages")?;
    let found = packages.iter().find(|one| one["name"] == package).ok_or("the package is not among them")?;
    let manifest = found["manifest_path"].as_str().ok_or("it has no manifest")?;
    Ok(Path::new(manifest).parent().ok_or("its manifest has no folder")?.to_path_buf())
}
