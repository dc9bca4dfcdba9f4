//! What real clients and a real PostgreSQL found (`crates/weir/tests/spec`), told again in small.

mod scenario;

use std::time::Duration;

use scenario::{Batch, Scenario, ms, pool};
use weir_model::PoolMode;

#[test]
fn a_client_idle_in_its_transaction_is_closed_however_often_samples_are_taken() {
    let mut p = pool(1);
    p.idle_transaction_timeout = Duration::from_millis(300);
    let mut s = Scenario::with(p);
    let ann = s.logs_in();
    assert_eq!(s.says(ann, "begin"), "[BEGIN] ZT");
    for _ in 0..20 {
        s.after(ms(100));
        s.engine.sample(s.now);
    }
    assert_eq!(s.hears(ann), "FATAL(25P03 idle transaction timeout) closed");
}

#[test]
fn a_sync_that_says_it_is_long_has_lost_its_place() {
    let mut s = Scenario::with(pool(1));
    let ann = s.logs_in();
    s.sends(ann, b"S\x00\x10\x00\x00");
    let said = s.hears(ann);
    assert!(said.contains("08P01") && said.ends_with("closed"), "{said}");
}

#[test]
fn reset_goes_back_to_what_the_client_logged_in_with_also_where_it_keeps_its_server() {
    for mode in [PoolMode::Transaction, PoolMode::Session] {
        let mut p = pool(1);
        p.mode = mode;
        let mut s = Scenario::with(p);
        let ann = s.logs_in_with("ann", &[("work_mem", "5MB")]);
        s.hears(ann);
        assert_eq!(
            s.says(ann, "show work_mem"),
            "<5MB> [SELECT 1] ZI",
            "{mode:?}"
        );
        assert_eq!(s.says(ann, "set work_mem = '1MB'"), "[SET] ZI");
        assert_eq!(s.says(ann, "show work_mem"), "<1MB> [SELECT 1] ZI");
        assert_eq!(s.says(ann, "reset work_mem"), "[RESET] ZI");
        assert_eq!(
            s.says(ann, "show work_mem"),
            "<5MB> [SELECT 1] ZI",
            "{mode:?}"
        );
        assert_eq!(s.faults(), [""; 0]);
    }
}

#[test]
fn sql_deallocate_forgets_a_statement_prepared_by_protocol() {
    let mut s = Scenario::with(pool(2));
    let [ann, bob] = [s.logs_in(), s.logs_in()];
    for elsewhere in [false, true] {
        s.sends(ann, &Batch::new().parse("s_1", "select 1").sync().0);
        s.hears(ann);
        if elsewhere {
            s.says(bob, "begin");
        }
        let said = s.says(ann, "DEALLOCATE s_1");
        assert!(said.starts_with("[DEALLOCATE"), "{said}");
        s.sends(ann, &Batch::new().bind("s_1").execute().sync().0);
        let said = s.hears(ann);
        assert!(said.contains("26000"), "{said}");
    }
    // Bob's statement of the same text is his.
    s.says(bob, "commit");
    s.sends(
        bob,
        &Batch::new()
            .parse("b", "select 1")
            .bind("b")
            .execute()
            .sync()
            .0,
    );
    assert_eq!(s.hears(bob), "1 2 <select 1> [SELECT 1] ZI");
}
