//! Many lives, each of which keeps every promise. `WEIR_SEED=7` replays one with a readable
//! trace, `WEIR_SEEDS=1000` lives as many, `WEIR_FROM=5000` begins there.

use weir_lab::sim::{Plan, run, run_traced};

#[expect(clippy::disallowed_methods, reason = "a test's own knob")]
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
#[expect(clippy::disallowed_methods, reason = "says how fast it is")]
fn many_lives_keep_every_promise() {
    if let Some(seed) = number("WEIR_SEED") {
        let (outcome, lines) = run_traced(seed, &Plan::drawn_from(seed));
        for line in lines {
            println!("{line}");
        }
        println!("{:#?}", Plan::drawn_from(seed));
        match outcome {
            Ok(outcome) => println!("{outcome:#?}"),
            Err(violation) => panic!("{violation}"),
        }
        return;
    }
    let from = number("WEIR_FROM").unwrap_or(1);
    let many = number("WEIR_SEEDS").unwrap_or(300);
    let began = std::time::Instant::now();
    let mut broken = Vec::new();
    let (mut served, mut refused) = (0, 0);
    for seed in from..from + many {
        match run(seed, &Plan::drawn_from(seed)) {
            Ok(outcome) => {
                served += outcome.served;
                refused += outcome.refused;
            }
            Err(violation) => {
                println!("{violation}");
                broken.push(seed);
            }
        }
    }
    let took = began.elapsed().as_secs_f64();
    println!(
        "{many} lives in {took:.1} s ({:.1} seeds/s): {served} exchanges served, {refused} connections refused",
        many as f64 / took
    );
    assert!(broken.is_empty(), "seeds {broken:?} broke promises");
}

#[test]
fn a_seed_replays_exactly() {
    for seed in [3, 4, 5] {
        let plan = Plan::drawn_from(seed);
        assert_eq!(run(seed, &plan), run(seed, &plan), "seed {seed}");
    }
}
