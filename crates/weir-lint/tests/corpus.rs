//! The rules agree with the people who labelled the corpus.

use std::collections::BTreeMap;
use std::path::Path;

use weir_lint::{Options, Source, lint, score};

fn scored(sets: &[&str]) -> score::Score {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let (mut labels, mut broken) = (score::Labels::default(), BTreeMap::new());
    for set in sets {
        let text = std::fs::read_to_string(corpus.join(set).join("labels.toml"));
        let own = score::labels(&text.expect("part of the repository")).expect("sound labels");
        for (name, label) in own.report {
            let name = format!("{set}/{name}");
            let bytes = std::fs::read(corpus.join(&name)).expect("a report for each label");
            let source = Source::from_bytes(name.clone(), bytes).expect("a readable report");
            broken.insert(name.clone(), lint(&source, &Options::default()).broken());
            labels.report.insert(name, label);
        }
    }
    score::score(&labels, &broken)
}

#[test]
fn over_the_whole_corpus_precision_and_recall_hold() {
    let score = scored(&["dev", "held-out", "third"]);
    assert!(score.reports >= 40, "{} reports", score.reports);
    let (precision, recall) = (
        score.machine.precision().expect("as the fixture has it"),
        score.machine.recall().expect("as the fixture has it"),
    );
    assert!(
        precision >= 0.95 && recall >= 0.90,
        "{}",
        score::table(&score)
    );
    // A linter that fires everywhere must score badly, or the figure above means nothing.
    assert!(
        score.always.precision().expect("as the fixture has it") < 0.5,
        "{}",
        score::table(&score)
    );
}
