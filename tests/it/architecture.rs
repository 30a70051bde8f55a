//! Holds the workspace to its rule: who may know whom, and which crate alone knows a technology.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

const DOMAIN: [&str; 5] = ["auth", "billing", "chat", "mbti-roles", "rag"];

/// Our crates that a crate may depend on. A crate that is not here is a failure: decide about it first.
const KNOWS: [(&str, &[&str]); 17] = [
    ("kernel", &[]),
    ("auth", &["kernel"]),
    ("billing", &["kernel"]),
    ("chat", &["kernel"]),
    ("mbti-roles", &["kernel"]),
    ("rag", &["kernel"]),
    ("migrations", &[]),
    ("adapter-sql", &["kernel", "auth", "billing", "chat", "mbti-roles", "rag", "migrations"]),
    ("adapter-redis", &["kernel", "auth", "chat"]),
    ("adapter-memory", &["kernel", "auth", "billing", "chat"]),
    ("adapter-search", &["kernel", "rag"]),
    ("adapter-deepseek", &["kernel", "chat"]),
    ("adapter-wechat", &["kernel", "auth", "billing"]),
    ("adapter-crypto", &["kernel", "auth"]),
    ("api", &["kernel", "auth", "billing", "chat", "mbti-roles", "rag"]),
    ("server", ANY),
    ("tests", ANY),
];
const ANY: &[&str] = &["*"];

/// A technology, and the crates beside `tests` that may use it directly.
const TECHNOLOGIES: [(&str, &[&str]); 17] = [
    ("sea-orm", &["adapter-sql"]),
    ("sea-orm-migration", &["adapter-sql", "migrations"]),
    ("sqlx", &["adapter-sql"]),
    ("redis", &["adapter-redis"]),
    ("deadpool-redis", &["adapter-redis"]),
    ("tantivy", &["adapter-search"]),
    ("async-openai", &["adapter-deepseek"]),
    ("reqwest", &["adapter-deepseek", "adapter-wechat"]),
    ("jsonwebtoken", &["adapter-crypto"]),
    ("bcrypt", &["adapter-crypto"]),
    ("aws-lc-rs", &["adapter-crypto", "adapter-wechat"]),
    ("actix-web", &["api", "server"]),
    ("actix-http", &["api"]),
    ("actix-cors", &["api"]),
    ("figment", &["server"]),
    ("clap", &["server"]),
    ("anyhow", &["server"]),
];

/// What a crate without I/O must not depend on, beside the technologies above.
const RUNTIMES: [&str; 8] =
    ["tokio", "tokio-util", "hyper", "axum", "rusqlite", "lettre", "async-std", "tracing-subscriber"];

const FILE_LINES_MAX: usize = 400;

fn metadata() -> Metadata {
    MetadataCommand::new().manifest_path(root().join("Cargo.toml")).no_deps().exec().expect("cargo metadata")
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn dependencies(package: &Package) -> impl Iterator<Item = &str> {
    package.dependencies.iter().map(|dependency| dependency.name.as_str())
}

#[test]
fn every_crate_knows_only_the_crates_that_the_rule_allows() {
    let metadata = metadata();
    let rule: BTreeMap<&str, &[&str]> = KNOWS.into_iter().collect();
    let ours: Vec<&str> = metadata.packages.iter().map(|package| package.name.as_str()).collect();
    for package in &metadata.packages {
        let name = package.name.as_str();
        let allowed = rule.get(name).unwrap_or_else(|| panic!("{name} has no line in KNOWS"));
        if *allowed == ANY {
            continue;
        }
        for dependency in dependencies(package).filter(|dependency| ours.contains(dependency)) {
            assert!(allowed.contains(&dependency), "{name} must not depend on {dependency}");
        }
    }
}

#[test]
fn nobody_but_the_tests_depends_on_the_server_and_nobody_on_the_tests() {
    for package in &metadata().packages {
        for dependency in dependencies(package) {
            let allowed =
                dependency != "tests" && (dependency != "server" || package.name.as_str() == "tests");
            assert!(allowed, "{} must not depend on {dependency}", package.name);
        }
    }
}

#[test]
fn a_technology_is_known_to_its_own_crates_alone() {
    let metadata = metadata();
    for package in metadata.packages.iter().filter(|package| package.name.as_str() != "tests") {
        for (technology, allowed) in TECHNOLOGIES {
            let uses = dependencies(package).any(|dependency| dependency == technology);
            let name = package.name.as_str();
            assert!(!uses || allowed.contains(&name), "{name} must not depend on {technology}");
        }
    }
}

#[test]
fn kernel_and_domain_crates_do_no_io() {
    for package in &metadata().packages {
        let name = package.name.as_str();
        if name != "kernel" && !DOMAIN.contains(&name) {
            continue;
        }
        for dependency in &package.dependencies {
            let is_runtime = RUNTIMES.contains(&dependency.name.as_str());
            let is_test_only = dependency.kind == DependencyKind::Development;
            assert!(!is_runtime || is_test_only, "{name} must not depend on {}", dependency.name);
        }
    }
}

#[test]
fn every_crate_inherits_the_lints_and_versions_of_the_workspace() {
    for package in &metadata().packages {
        let manifest = fs::read_to_string(&package.manifest_path).expect("a manifest");
        assert!(manifest.contains("[lints]\nworkspace = true"), "{}: no workspace lints", package.name);
        assert!(!manifest.contains("version = \""), "{}: a version of its own", package.name);
    }
}

#[test]
fn only_compose_names_an_adapter_in_the_server() {
    for (path, text) in sources(&root().join("crates/server")) {
        if path.ends_with("compose.rs") || path.components().any(|part| part.as_os_str() == "compose") {
            continue;
        }
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        for line in code {
            assert!(!line.contains("adapter_"), "{} names an adapter: {line}", path.display());
        }
    }
}

#[test]
fn every_file_says_what_it_owns_and_stays_short() {
    let mut problems = Vec::new();
    for folder in ["crates", "migrations", "tests"] {
        for (path, text) in sources(&root().join(folder)) {
            if !text.starts_with("//!") {
                problems.push(format!("{}: does not begin with //!", path.display()));
            }
            let lines = text.lines().count();
            if lines > FILE_LINES_MAX {
                problems.push(format!("{}: {lines} lines, at most {FILE_LINES_MAX}", path.display()));
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn no_file_is_named_for_having_no_name() {
    for (path, _) in sources(&root().join("crates")) {
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let is_vague = ["utils", "util", "common", "helpers", "helper", "manager", "misc"].contains(&stem);
        assert!(!is_vague, "{}: name it by what it owns", path.display());
    }
}

/// Every Rust file below a folder, with its text.
fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the repository") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("a source file");
                found.push((path, text));
            }
        }
    }
    assert!(!found.is_empty(), "no source below {}", folder.display());
    found
}
