//! The rules agree with the people who labelled the corpus.

use std::collections::BTreeMap;
use std::path::Path;

use weir_lint::{Options, Source, lint, score};

fn scored(set: &str) -> Option<score::Score> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(set);
    let labels = score::labels(&std::fs::read_to_string(dir.join("labels.toml")).ok()?)
        .expect("as the fixture has it");
    let mut broken = BTreeMap::new();
    for name in labels.report.keys() {
        let bytes = std::fs::read(dir.join(name)).expect("as the fixture has it");
        let source = Source::from_bytes(name.clone(), bytes).expect("as the fixture has it");
        broken.insert(name.clone(), lint(&source, &Options::default()).broken());
    }
    Some(score::score(&labels, &broken))
}

#[test]
fn on_the_set_that_the_rules_were_tuned_on_precision_and_recall_hold() {
    let score = scored("dev").expect("the dev set is part of the repository");
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
