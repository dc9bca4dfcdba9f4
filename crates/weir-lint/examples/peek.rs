//! Lints or scores from the crate alone, for work on the rules: `peek lint FILE… | score DIR | facts FILE`.
use std::collections::BTreeMap;
use std::path::Path;
use weir_lint::{Options, Profile, Source, lint, render, score};

#[allow(clippy::print_stdout)]
fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let load = |path: &str| {
        Source::from_bytes(path, std::fs::read(path).expect("a file")).expect("a report")
    };
    match args[0].as_str() {
        "score" => {
            let dir = Path::new(&args[1]);
            let labels =
                score::labels(&std::fs::read_to_string(dir.join("labels.toml")).expect("labels"))
                    .expect("labels");
            let mut broken = BTreeMap::new();
            for name in labels.report.keys() {
                let path = dir.join(name);
                if path.exists() {
                    let outcome = lint(
                        &load(&path.display().to_string()),
                        &Options::profile(Profile::Google),
                    );
                    broken.insert(name.clone(), outcome.broken());
                }
            }
            println!("{}", score::table(&score::score(&labels, &broken)));
        }
        "facts" => println!(
            "{}",
            serde_json::to_string_pretty(&weir_lint::facts(&load(&args[1]))).expect("json")
        ),
        "short" => {
            let profile = args[1].parse().expect("profile");
            for f in lint(&load(&args[2]), &Options::profile(profile)).findings {
                println!(
                    "{}:{} {} {} {}{}",
                    f.place.line,
                    f.place.column,
                    f.rule,
                    f.severity.word(),
                    f.message,
                    if f.asserts { "" } else { " (open)" }
                );
            }
        }
        _ => {
            let profile = args[1].parse().expect("profile");
            let files: Vec<_> = args[2..]
                .iter()
                .map(|p| {
                    let source = load(p);
                    let outcome = lint(&source, &Options::profile(profile));
                    render::Linted { source, outcome }
                })
                .collect();
            println!("{}", render::text(&files, render::Colour::Off));
        }
    }
}
