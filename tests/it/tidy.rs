//! What the compiler and clippy do not see: lengths, directions, unfinished marks, and texts that belong to one machine.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Longest part of a Rust file that is not test code, in lines.
const LONGEST: usize = 500;
/// Longest file of tests, in lines.
const LONGEST_TESTS: usize = 900;

/// One file of the repository: path from the top, and text.
struct File {
    path: String,
    text: String,
    for_tests: bool,
}

impl File {
    /// A made-up file, to prove that a check finds what it looks for.
    fn made_up(path: &str, text: &str) -> Self {
        Self { path: path.into(), text: text.into(), for_tests: false }
    }

    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Whether the whole file measures: a benchmark may wait.
    fn is_bench(&self) -> bool {
        self.path.contains("/benches/")
    }

    /// Whether the whole file is test code: by its place, or because the file above declares it for tests.
    fn is_tests(&self) -> bool {
        self.path.starts_with("tests/")
            || self.path.contains("/tests/")
            || self.path.ends_with("/tests.rs")
            || self.is_bench()
            || self.for_tests
    }

    /// Lines of product code without comments, numbered from one: all but the items under `#[cfg(test)]`.
    fn product_lines(&self) -> Vec<(usize, &str)> {
        self.lines(false)
    }

    /// Lines of test code without comments, numbered from one.
    fn test_lines(&self) -> Vec<(usize, &str)> {
        self.lines(true)
    }

    fn lines(&self, wanted: bool) -> Vec<(usize, &str)> {
        let (mut found, mut indent) = (Vec::new(), None);
        for (index, line) in self.text.lines().enumerate() {
            if line.trim() == "#[cfg(test)]" {
                indent = Some(line.len() - line.trim_start().len());
            }
            if (indent.is_some() || self.is_tests()) == wanted {
                found.push((index + 1, without_comment(line)));
            }
            // An item ends with a brace as far left as it began, or, where it has no body, with its semicolon.
            let ends =
                |indent: usize| line.get(indent..).is_some_and(|rest| rest.starts_with('}') || is_declaration(rest));
            indent = indent.filter(|indent| !ends(*indent));
        }
        found
    }

    /// Files that `mod name;` under `#[cfg(test)]` in this file means.
    fn modules_for_tests(&self) -> Vec<String> {
        let folder = match self.path.rsplit_once('/') {
            Some((folder, "mod.rs" | "lib.rs" | "main.rs")) => folder,
            _ => self.path.trim_end_matches(".rs"),
        };
        let names = self.text.split("#[cfg(test)]\n").skip(1).filter_map(|rest| rest.lines().next());
        let names = names.filter_map(|line| line.split_once("mod ")?.1.strip_suffix(';'));
        names.flat_map(|name| [format!("{folder}/{name}.rs"), format!("{folder}/{name}/mod.rs")]).collect()
    }
}

/// Whether the line, from where its item begins, is the whole item: `mod tests;`, `use super::x;`.
fn is_declaration(line: &str) -> bool {
    line.ends_with(';') && !line.starts_with([' ', '}', '#'])
}

/// The line up to its comment; `://` inside a text is no comment.
fn without_comment(line: &str) -> &str {
    match line.match_indices("//").find(|(at, _)| !line[..*at].ends_with(':')) {
        Some((at, _)) => &line[..at],
        None => line,
    }
}

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// Every text file that belongs to the repository, whether committed yet or not.
fn files() -> Vec<File> {
    let listed = run(Command::new("git").args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"]));
    let paths = listed.split('\0').filter(|path| !path.is_empty());
    let mut found: Vec<_> =
        paths.filter_map(|path| Some(File::made_up(path, &fs::read_to_string(top().join(path)).ok()?))).collect();
    let for_tests: HashSet<_> = found.iter().filter(|file| file.is_rust()).flat_map(File::modules_for_tests).collect();
    for file in &mut found {
        let inside = |path: &String| path.strip_suffix("mod.rs").is_some_and(|folder| file.path.starts_with(folder));
        file.for_tests = for_tests.contains(&file.path) || for_tests.iter().any(inside);
    }
    assert!(found.iter().filter(|file| file.is_rust()).count() > 20, "the list of files is not complete");
    found
}

fn run(command: &mut Command) -> String {
    let output = command.current_dir(top()).output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Fails with one line a finding.
#[track_caller]
fn none(found: &[String]) {
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

/// Where one of the words stands in lines of a file.
fn occurrences(file: &File, lines: &[(usize, &str)], words: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    for (number, line) in lines {
        for word in words.iter().filter(|word| line.contains(word.as_str())) {
            found.push(format!("{}:{number}: {word}", file.path));
        }
    }
    found
}

/// Words put together here, so that this file does not contain what it looks for.
fn words(parts: &[[&str; 2]]) -> Vec<String> {
    parts.iter().map(|[first, second]| format!("{first}{second}")).collect()
}

fn too_long(file: &File) -> Option<String> {
    let (lines, most) = if file.is_tests() {
        (file.text.lines().count(), LONGEST_TESTS)
    } else {
        (file.product_lines().len(), LONGEST)
    };
    (lines > most).then(|| format!("{}: {lines} lines, at most {most}", file.path))
}

#[test]
fn rust_files_are_short() {
    none(&files().iter().filter(|file| file.is_rust()).filter_map(too_long).collect::<Vec<_>>());
    let long = "let a = 1;\n".repeat(LONGEST + 1);
    assert!(too_long(&File::made_up("domain/src/a.rs", &long)).is_some());
    assert!(too_long(&File::made_up("domain/src/a.rs", &format!("#[cfg(test)]\nmod tests {{\n{long}"))).is_none());
}

fn ways_to_die(file: &File) -> Vec<String> {
    let words = words(&[
        [".unwr", "ap()"],
        [".expect", "(\""],
        ["pan", "ic!("],
        ["unreach", "able!("],
        ["unimpl", "emented!("],
        ["allow(clippy::unwr", "ap"],
        ["allow(clippy::exp", "ect"],
        ["allow(clippy::pan", "ic"],
    ]);
    occurrences(file, &file.product_lines(), &words)
}

#[test]
fn nothing_outside_tests_can_end_the_process_by_surprise() {
    let files = files();
    let product = files.iter().filter(|file| file.is_rust() && !file.is_tests());
    none(&product.flat_map(ways_to_die).collect::<Vec<_>>());
    assert_eq!(ways_to_die(&File::made_up("domain/src/a.rs", &format!("x.unwr{}", "ap();"))).len(), 1);
    let call = format!("    x.unwr{}\n", "ap();");
    let within = format!("mod a {{\n#[cfg(test)]\nmod tests {{\n    use super::*;\n{call}}}\n{call}}}\n");
    assert_eq!(ways_to_die(&File::made_up("domain/src/a.rs", &within)).len(), 1);
    assert_eq!(ways_to_die(&File::made_up("domain/src/a.rs", &format!("#[cfg(test)]\nmod a;\n{call}"))).len(), 1);
    assert_eq!(ways_to_die(&File::made_up("domain/src/a.rs", &format!("// {call}"))).len(), 0);
}

fn unfinished(file: &File) -> Vec<String> {
    let marks = words(&[["TO", "DO"], ["FIX", "ME"], ["XX", "X:"], ["HA", "CK:"]]);
    let lines: Vec<_> = file.text.lines().enumerate().map(|(index, line)| (index + 1, line)).collect();
    occurrences(file, &lines, &marks)
}

#[test]
fn nothing_is_marked_as_unfinished() {
    let named =
        |file: &&File| [".rs", ".md", ".py", ".toml", ".sql", ".xml", ".sh"].iter().any(|end| file.path.ends_with(end));
    none(&files().iter().filter(named).flat_map(unfinished).collect::<Vec<_>>());
    assert_eq!(unfinished(&File::made_up("a.md", &format!("TO{} later", "DO"))).len(), 1);
}

fn idle_or_skipped(file: &File) -> Vec<String> {
    let words = words(&[["thread::sl", "eep"], ["time::sl", "eep"], ["#[ign", "ore"]]);
    occurrences(file, &file.test_lines(), &words)
}

#[test]
fn tests_neither_wait_nor_are_skipped() {
    none(
        &files().iter().filter(|file| file.is_rust() && !file.is_bench()).flat_map(idle_or_skipped).collect::<Vec<_>>(),
    );
    let declared = format!("#[cfg(test)]\nmod tests;\nstd::thread::sl{}", "eep(d)");
    assert_eq!(idle_or_skipped(&File::made_up("adapters/src/a.rs", &declared)).len(), 0);
    assert_eq!(idle_or_skipped(&File::made_up("tests/it/a.rs", &format!("std::thread::sl{}", "eep(d)"))).len(), 1);
}

fn impure(file: &File) -> Vec<String> {
    let words = words(&[
        ["System", "Time"],
        ["Instant::", "now"],
        ["Utc::", "now"],
        ["Local::", "now"],
        ["Uuid::", "new_v"],
        ["to", "kio::"],
        ["ra", "nd::"],
        ["getra", "ndom"],
        ["std::", "fs"],
        ["std::", "env"],
        ["std::", "process"],
        ["std::", "thread"],
        ["Udp", "Socket"],
        ["Tcp", "Stream"],
        ["Random", "State"],
    ]);
    occurrences(file, &file.product_lines(), &words)
}

#[test]
fn domain_has_no_clock_no_randomness_and_no_outside() {
    let files = files();
    let domain = files.iter().filter(|file| file.is_rust() && file.path.starts_with("domain/src/") && !file.is_tests());
    none(&domain.flat_map(impure).collect::<Vec<_>>());
    assert_eq!(impure(&File::made_up("domain/src/a.rs", &format!("let now = Instant::{}();", "now"))).len(), 1);
}

#[test]
fn crates_depend_on_each_other_in_one_direction_only() {
    let text = run(Command::new(env!("CARGO")).args(["metadata", "--format-version=1", "--no-deps", "--offline"]));
    let metadata: serde_json::Value = serde_json::from_str(&text).unwrap();
    let ours = ["domain", "adapters", "event_store_db", "projections", "api", "tests", "official"];
    let mut seen = 0;
    for package in metadata["packages"].as_array().unwrap() {
        let allowed: &[&str] = match package["name"].as_str().unwrap() {
            "domain" => &[],
            "adapters" | "event_store_db" | "projections" => &["domain"],
            "api" => &["domain", "adapters", "event_store_db", "projections"],
            "tests" => &["domain", "adapters", "event_store_db", "projections", "api"],
            "official" => &["domain", "adapters", "event_store_db"],
            other => panic!("{other} has no place in the layout"),
        };
        let dependencies = package["dependencies"].as_array().unwrap().iter();
        let inner = dependencies.map(|one| one["name"].as_str().unwrap()).filter(|name| ours.contains(name));
        let wrong: Vec<_> = inner.filter(|name| !allowed.contains(name)).collect();
        assert!(wrong.is_empty(), "{} depends on {wrong:?}", package["name"]);
        seen += 1;
    }
    assert_eq!(seen, ours.len());
}

#[test]
fn domain_pulls_in_nothing_that_waits_or_draws_lots() {
    let tree = run(Command::new(env!("CARGO")).args([
        "tree",
        "--package",
        "domain",
        "--edges",
        "normal",
        "--prefix",
        "none",
        "--format",
        "{p}",
        "--offline",
    ]));
    let names: Vec<_> = tree.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(names.contains(&"serde"), "the tree is not complete:\n{tree}");
    for banned in
        ["tokio", "sqlx", "axum", "reqwest", "rsip", "hyper", "rusqlite", "mio", "rand", "getrandom", "socket2"]
    {
        assert!(!names.contains(&banned), "domain pulls in {banned}");
    }
}

#[test]
fn every_crate_keeps_the_workspace_lints() {
    for member in ["domain", "adapters", "adapters/event_store_db", "projections", "api"] {
        let manifest = fs::read_to_string(top().join(member).join("Cargo.toml")).unwrap();
        assert!(manifest.contains("[lints]\nworkspace = true"), "{member}/Cargo.toml leaves the workspace's lints");
    }
    // All of `tests` is test code, where `unwrap` is how a test fails; the rest holds there too.
    let manifest = fs::read_to_string(top().join("tests/Cargo.toml")).unwrap();
    assert!(manifest.contains("unsafe_code = \"forbid\""), "tests/Cargo.toml allows unsafe code");
}

fn of_one_machine(file: &File) -> Vec<String> {
    let places = words(&[["/wo", "rk/"], ["/ro", "ot/"], ["/ho", "me/"], ["/tmp/", "wt"], [".lib", "rary/"]]);
    let mut found = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        for place in &places {
            let whole =
                |at: usize| !line[..at].ends_with(|before: char| before.is_alphanumeric() || "_-./".contains(before));
            if line.match_indices(place.as_str()).any(|(at, _)| whole(at)) {
                found.push(format!("{}:{}: {place}", file.path, index + 1));
            }
        }
    }
    found
}

#[test]
fn no_file_speaks_of_one_machine() {
    none(&files().iter().flat_map(of_one_machine).collect::<Vec<_>>());
    assert_eq!(of_one_machine(&File::made_up("a.md", &format!("see /wo{}", "rk/x"))).len(), 1);
    assert_eq!(of_one_machine(&File::made_up("a.md", &format!("see net/wo{}", "rk/x"))).len(), 0);
}

#[test]
fn every_sipp_scenario_is_part_of_a_case() {
    let programs = [
        "run.py",
        "register.py",
        "transfers.py",
        "transfer_load.py",
        "asking.py",
        "referring.py",
        "uplink.py",
        "audit.py",
    ];
    let cases = programs.map(|program| fs::read_to_string(top().join("tests/e2e").join(program)).unwrap()).concat();
    let files = files();
    let scenarios: Vec<_> = files.iter().filter_map(|file| file.path.strip_prefix("tests/e2e/cases/")).collect();
    assert!(scenarios.len() > 20, "the scenarios are elsewhere");
    let forgotten: Vec<_> = scenarios.iter().filter(|name| !cases.contains(&format!("\"{name}\""))).collect();
    assert!(forgotten.is_empty(), "no case of {programs:?} uses {forgotten:?}");
}

#[test]
fn the_tests_that_the_lessons_name_are_there() {
    let text = fs::read_to_string(top().join("ARCHITECTURE.md")).unwrap();
    let (_, rest) = text.split_once("## Fifteen lessons").unwrap();
    let table = rest.split_once("\n## ").unwrap().0;
    let lessons = table.lines().filter(|line| line.starts_with("| ") && line.contains(". ")).count();
    assert_eq!(lessons, 15);
    let code: String = files().iter().filter(|file| file.path.ends_with(".rs")).map(|file| &*file.text).collect();
    let names = table.split('`').skip(1).step_by(2).filter(|name| name.matches('_').count() > 2 && !name.contains('/'));
    let names: Vec<_> = names.collect();
    assert!(names.len() >= 30, "the names are written otherwise: {names:?}");
    let missing = names.into_iter().filter(|name| !code.contains(&format!("fn {name}(")));
    none(&missing.map(str::to_owned).collect::<Vec<_>>());
}

fn dead_links(file: &File) -> Vec<String> {
    let folder = Path::new(&file.path).parent().unwrap_or(Path::new(""));
    let targets = file.text.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    let local = targets.map(|(link, _)| link).filter(|link| !link.contains("://") && !link.starts_with(['#', '/']));
    let paths = local.map(|link| link.split('#').next().unwrap_or(link));
    let dead = paths.filter(|path| !path.is_empty() && !top().join(folder).join(path).exists());
    dead.map(|path| format!("{}: nothing at {path}", file.path)).collect()
}

#[test]
fn links_between_documents_lead_somewhere() {
    let files = files();
    none(&files.iter().filter(|file| file.path.ends_with(".md")).flat_map(dead_links).collect::<Vec<_>>());
    assert_eq!(dead_links(&File::made_up("a.md", "[x](no-such-file.md#part) [y](https://example.org)")).len(), 1);
}
