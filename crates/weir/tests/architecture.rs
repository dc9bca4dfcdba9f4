//! ARCHITECTURE.md and README.md name only what exists.

use std::path::Path;

fn paths_of(text: &str) -> Vec<String> {
    text.split('`')
        .skip(1)
        .step_by(2)
        .filter(|code| {
            let begins = ["crates/", "docs/", "bench/", "scripts/", "drills/", "fuzz/"];
            begins.iter().any(|b| code.starts_with(b)) && !code.contains([' ', '*', '<'])
        })
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_path_that_the_papers_name_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut checked = 0;
    for paper in [
        "ARCHITECTURE.md",
        "README.md",
        "CONTRIBUTING.md",
        "docs/operators-guide.md",
    ] {
        let text = std::fs::read_to_string(root.join(paper))
            .unwrap_or_else(|fault| panic!("{paper}: {fault}"));
        for path in paths_of(&text) {
            assert!(
                root.join(&path).exists(),
                "{paper} names {path}, which isn't there"
            );
            checked += 1;
        }
    }
    assert!(
        checked > 20,
        "only {checked} paths found: does the test still read them?"
    );
}

#[test]
fn the_floors_hold() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let may: &[(&str, &[&str])] = &[
        ("weir-wire", &[]),
        ("weir-model", &[]),
        ("weir-engine", &["weir-wire", "weir-model"]),
        ("weir-lint", &["weir-model"]),
        ("weir-control", &["weir-model", "weir-lint"]),
        ("weir-proxy", &["weir-engine", "weir-wire", "weir-model"]),
        ("weir-api", &["weir-control", "weir-wire", "weir-model"]),
        (
            "weir-lab",
            &["weir-engine", "weir-control", "weir-wire", "weir-model"],
        ),
    ];
    for (krate, allowed) in may {
        let manifest = std::fs::read_to_string(root.join(krate).join("Cargo.toml")).unwrap();
        let normal = manifest
            .split("[dev-dependencies]")
            .next()
            .unwrap_or_default();
        let deps = normal.split("[dependencies]").nth(1).unwrap_or_default();
        for line in deps.lines().take_while(|l| !l.starts_with('[')) {
            let name = line.split(['.', ' ', '=']).next().unwrap_or_default();
            if name.starts_with("weir-") {
                assert!(allowed.contains(&name), "{krate} may not import {name}");
            }
        }
    }
}
