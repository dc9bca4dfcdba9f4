fn main() {
    for f in std::env::args().skip(1) {
        let t = std::fs::read_to_string(&f).unwrap();
        let s = weir_lint::Source::new(f, t).unwrap();
        println!(
            "{}",
            serde_json::to_string_pretty(&weir_lint::facts(&s)).unwrap()
        );
    }
}
