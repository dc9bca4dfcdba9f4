//! Unmodified psql and pgbench work, in both modes, without an error.

use crate::support::{MODES, Weir, pooled, postgres, program, said};

/// Runs pgbench with `args`; it must end well and without a failed transaction.
fn pgbench(port: u16, args: &[&str]) {
    let Some(mut command) = program("pgbench", port) else {
        return;
    };
    let out = command.args(["-n"]).args(args).output().unwrap();
    let told = said(&out);
    assert!(out.status.success(), "{args:?}: {told}");
    let done = told
        .lines()
        .find_map(|l| l.strip_prefix("number of transactions actually processed: "))
        .unwrap_or_else(|| panic!("{args:?}: {told}"));
    let done: u64 = done.split('/').next().unwrap().trim().parse().unwrap();
    assert!(done > 0, "{args:?}: {told}");
    for bad in ["error", "aborted", "FATAL"] {
        assert!(!told.contains(bad), "{args:?}: {told}");
    }
    assert!(
        !told.contains("number of failed transactions") || told.contains("failed transactions: 0 "),
        "{args:?}: {told}"
    );
}

fn in_modes(args: &[&str], session_too: bool) {
    let pg = postgres();
    for mode in MODES.iter().take(if session_too { 2 } else { 1 }) {
        // In session mode each of the clients needs a server of its own.
        let size = if *mode == "session" { 50 } else { 10 };
        let weir = Weir::start(&pooled(pg.port(), size, &format!("mode = \"{mode}\"")));
        pgbench(weir.port, args);
    }
}

#[test]
fn pgbench_simple_with_50_clients() {
    in_modes(&["-S", "-M", "simple", "-c", "50", "-t", "200"], true);
}

#[test]
fn pgbench_extended_with_50_clients() {
    in_modes(&["-S", "-M", "extended", "-c", "50", "-t", "200"], true);
}

#[test]
fn pgbench_prepared_with_50_clients() {
    in_modes(&["-S", "-M", "prepared", "-c", "50", "-t", "200"], true);
}

#[test]
fn pgbench_with_a_connection_per_transaction() {
    in_modes(&["-S", "-C", "-c", "50", "-t", "20"], true);
}

#[test]
fn pgbench_writes_through_two_pools_at_once() {
    let pg = postgres();
    let weir = Weir::start(&pooled(pg.port(), 5, "mode = \"transaction\""));
    pg.sql("GRANT ALL ON ALL TABLES IN SCHEMA public TO ann");
    std::thread::scope(|scope| {
        for user in ["postgres", "ann"] {
            let port = weir.port;
            scope.spawn(move || pgbench(port, &["-U", user, "-c", "10", "-t", "200"]));
        }
    });
    // TPC-B's law: every account's change is in its teller, its branch and the history.
    let sums = pg.sql(
        "SELECT (SELECT sum(abalance) FROM pgbench_accounts) = (SELECT sum(bbalance) FROM pgbench_branches)
            AND (SELECT sum(tbalance) FROM pgbench_tellers) = (SELECT sum(delta) FROM pgbench_history)",
    );
    assert_eq!(sums, "t");
}

#[test]
fn psql_runs_a_script_with_variables_describes_a_table_and_reports_an_error() {
    let pg = postgres();
    for mode in MODES {
        let weir = Weir::start(&pooled(pg.port(), 2, &format!("mode = \"{mode}\"")));
        let Some(mut psql) = program("psql", weir.port) else {
            return;
        };
        let out = psql
            .args(["-XAt", "-v", "n=41"])
            .args(["-c", "select :'n'::int + 1", "-c", "\\d pgbench_branches"])
            .args(["-c", "select 1/0", "-c", "select current_user"])
            .output()
            .unwrap();
        let told = said(&out);
        assert!(told.contains("bbalance|integer"), "{told}");
        assert!(told.contains("ERROR:  division by zero"), "{told}");
        assert!(told.contains("\npostgres\n"), "{told}");

        let mut psql = program("psql", weir.port).unwrap();
        let out = psql
            .args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-1"])
            .args(["-c", "create temp table t(a int)"])
            .args(["-c", "insert into t values (1), (2)"])
            .args(["-c", "\\copy t to stdout", "-c", "select sum(a) from t"])
            .output()
            .unwrap();
        assert!(out.status.success(), "{}", said(&out));
        assert_eq!(String::from_utf8_lossy(&out.stdout), "1\n2\n3\n");
    }
}

#[test]
fn the_console_answers_psql() {
    let pg = postgres();
    let weir = Weir::start(&pooled(pg.port(), 2, ""));
    let Some(mut psql) = program("psql", weir.port) else {
        return;
    };
    let out = psql
        .args([
            "-XA",
            "-d",
            "weir",
            "-c",
            "SHOW VERSION",
            "-c",
            "SHOW POOLS",
        ])
        .output()
        .unwrap();
    let told = said(&out);
    assert!(out.status.success(), "{told}");
    assert!(told.contains("Weir "), "{told}");
    assert!(told.contains("cl_waiting"), "{told}");
}
