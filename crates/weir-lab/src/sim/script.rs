//! What clients do: one transaction at a time, in the styles of real drivers and of bad ones.

use std::time::Duration;

use weir_wire::frontend::{self, TargetKind};

use super::pg::Session;
use super::roll::Roll;

/// One step of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Send; `now`: without waiting for replies that are due.
    Send { bytes: Vec<u8>, now: bool },
    /// When the server asked for COPY data: send `data`; if it refused: `otherwise`.
    Copy {
        simple: bool,
        data: Vec<u8>,
        otherwise: Vec<u8>,
    },
    /// Do nothing.
    Think(Duration),
    /// Ask for what runs to be cancelled, then wait a moment.
    Cancel(Duration),
    /// Stop reading.
    Nap(Duration),
    /// Send the beginning of something, and vanish.
    Half(Vec<u8>),
    /// Leave without a word.
    Vanish { reset: bool },
    /// Terminate.
    Goodbye,
}

/// What kind of client it is.
#[derive(Clone, Debug)]
pub(crate) struct Habits {
    /// Vanishes, cancels, reads slowly, copies, pipelines.
    pub(crate) wild: bool,
    /// Between transactions.
    pub(crate) pause: Duration,
    /// Inside transactions.
    pub(crate) think: Duration,
    /// Sends an application_name of its own.
    pub(crate) named: bool,
}

/// Names of prepared statements that clients share a text for.
const SHARED: usize = 8;

fn send(bytes: Vec<u8>) -> Step {
    Step::Send { bytes, now: false }
}

fn query(sql: &str) -> Vec<u8> {
    let mut out = Vec::new();
    frontend::put_query(&mut out, sql.as_bytes());
    out
}

fn bind(out: &mut Vec<u8>, statement: &str, param: Option<&str>) {
    let mut rest = vec![0, 0];
    match param {
        Some(param) => {
            rest.extend_from_slice(&[0, 1]);
            rest.extend_from_slice(&(param.len() as u32).to_be_bytes());
            rest.extend_from_slice(param.as_bytes());
        }
        None => rest.extend_from_slice(&[0, 0]),
    }
    rest.extend_from_slice(&[0, 0]);
    frontend::put_bind(out, b"", statement.as_bytes(), &rest);
}

/// Parse, Bind, Describe, Execute of the unnamed statement.
fn unnamed(out: &mut Vec<u8>, sql: &str, param: Option<&str>) {
    frontend::put_parse(out, b"", sql.as_bytes(), &[0, 0]);
    bind(out, "", param);
    frontend::put_describe(out, TargetKind::Portal, b"");
    frontend::put_execute(out, b"", 0);
}

fn extended(sql: &str, param: Option<&str>) -> Vec<u8> {
    let mut out = Vec::new();
    unnamed(&mut out, sql, param);
    frontend::put_sync(&mut out);
    out
}

/// The text of a shared prepared statement.
fn shared(k: usize) -> String {
    format!("SELECT $1 FROM shared_{k}")
}

impl Habits {
    /// The next transaction. `probe`: a plain one, to see that the world is well.
    pub(crate) fn next(
        &self,
        token: &str,
        model: &Session,
        probe: bool,
        roll: &mut Roll,
    ) -> Vec<Step> {
        let mut steps = Vec::new();
        if probe {
            if model.tx() != weir_wire::TxStatus::Idle {
                steps.push(send(query("ROLLBACK")));
            }
            steps.push(send(query(&format!("SELECT 1 /* {token} */"))));
            steps.push(send(query("SHOW work_mem")));
            return steps;
        }
        steps.push(Step::Think(roll.around(self.pause)));
        let kinds = if self.wild { 22 } else { 8 };
        match roll.below(kinds) {
            0 | 1 => steps.push(send(query(&format!("SELECT 1 /* {token} */")))),
            2 => steps.push(send(extended(
                &format!("SELECT $1 /* {token} */"),
                Some(token),
            ))),
            3 | 4 => self.named(token, model, roll, &mut steps),
            5 | 6 => self.transaction(token, roll, &mut steps),
            7 => steps.push(send(query(&format!(
                "SELECT 1 /* {token} */; SELECT 2 /* {token} */"
            )))),
            8 | 9 => settings(token, roll, &mut steps),
            10 => pipeline(token, model, roll, &mut steps),
            11 => copy(token, roll, &mut steps),
            12 => {
                let rows = roll.between(1, 30);
                let size = roll.between(0, 20_000);
                if roll.chance(0.5) {
                    steps.push(Step::Nap(Duration::from_millis(roll.between(1, 1500))));
                }
                steps.push(send(query(&format!(
                    "SELECT 1 /* {token} rows={rows} size={size} */"
                ))));
            }
            13 => {
                let sql = format!("SELECT 1 /* {token} fail={token} */");
                steps.push(send(if roll.chance(0.5) {
                    query(&sql)
                } else {
                    extended(&sql, None)
                }));
            }
            14 => {
                steps.push(send(query(&format!("SELECT 1 /* {token} */"))));
                steps.push(Step::Cancel(roll.around(Duration::from_millis(5))));
            }
            15 => errors(token, roll, &mut steps),
            16 => {
                // Vanishes with something open.
                let what = roll.below(4);
                if what > 0 {
                    steps.push(send(query("BEGIN")));
                    steps.push(send(query(&format!("SELECT 1 /* {token} */"))));
                }
                if what > 1 {
                    steps.push(Step::Send {
                        bytes: query(&format!("SELECT 2 /* {token} */")),
                        now: true,
                    });
                }
                if what == 3 {
                    let mut half = query(&format!("SELECT 3 /* {token} */"));
                    half.truncate(1 + roll.below(half.len() - 1));
                    steps.push(Step::Half(half));
                } else {
                    steps.push(Step::Vanish {
                        reset: roll.chance(0.5),
                    });
                }
            }
            17 => steps.push(Step::Goodbye),
            18 => reuse(token, roll, &mut steps),
            19 => {
                // The same name for all: what one leaves behind, the next would stumble over.
                let table = "tt_mine";
                steps.push(send(query(&format!("CREATE TEMP TABLE {table} (a int)"))));
                steps.push(Step::Think(roll.around(self.think)));
                steps.push(send(query(&format!("SELECT 1 FROM {table} /* {token} */"))));
                steps.push(send(query("DISCARD ALL")));
            }
            20 => steps.push(send(query(""))),
            _ => {
                // Asks for the end of what it closed; prepares what is no SQL; waits for Flush.
                let mut out = Vec::new();
                frontend::put_close(&mut out, TargetKind::Statement, b"nobody");
                frontend::put_parse(&mut out, b"", b"SYNTAX", &[0, 0]);
                bind(&mut out, "", None);
                frontend::put_flush(&mut out);
                frontend::put_execute(&mut out, b"", 0);
                frontend::put_sync(&mut out);
                steps.push(send(out));
            }
        }
        steps
    }

    /// A named statement, prepared where it isn't yet, used over transactions.
    fn named(&self, token: &str, model: &Session, roll: &mut Roll, steps: &mut Vec<Step>) {
        let k = roll.below(SHARED);
        let name = format!("s{k}");
        let mut out = Vec::new();
        if !model.has_statement(name.as_bytes()) {
            frontend::put_parse(&mut out, name.as_bytes(), shared(k).as_bytes(), &[0, 0]);
            if roll.chance(0.5) {
                frontend::put_describe(&mut out, TargetKind::Statement, name.as_bytes());
                frontend::put_sync(&mut out);
                steps.push(send(std::mem::take(&mut out)));
            }
        }
        for _ in 0..roll.between(1, 3) {
            bind(&mut out, &name, Some(token));
            if roll.chance(0.3) {
                frontend::put_describe(&mut out, TargetKind::Portal, b"");
            }
            frontend::put_execute(&mut out, b"", 0);
        }
        if self.wild && roll.chance(0.1) {
            frontend::put_close(&mut out, TargetKind::Statement, name.as_bytes());
        }
        frontend::put_sync(&mut out);
        steps.push(send(out));
    }

    fn transaction(&self, token: &str, roll: &mut Roll, steps: &mut Vec<Step>) {
        steps.push(send(query("BEGIN")));
        for n in 0..roll.between(1, 3) {
            steps.push(Step::Think(roll.around(self.think)));
            let sql = format!("SELECT {n} /* {token} */");
            steps.push(send(match roll.below(3) {
                0 => extended(&sql, None),
                _ => query(&sql),
            }));
        }
        steps.push(Step::Think(roll.around(self.think)));
        steps.push(send(query(if roll.chance(0.8) {
            "COMMIT"
        } else {
            "ROLLBACK"
        })));
    }
}

const NAMES: [&str; 5] = [
    "application_name",
    "TimeZone",
    "search_path",
    "statement_timeout",
    "work_mem",
];

fn settings(token: &str, roll: &mut Roll, steps: &mut Vec<Step>) {
    let name = NAMES[roll.below(NAMES.len())];
    let value = if roll.chance(0.5) {
        token.to_owned()
    } else {
        format!("v{}", roll.below(3))
    };
    let set = match roll.below(8) {
        0 => format!("RESET {name}"),
        1 => "RESET ALL".to_owned(),
        2 => "DISCARD ALL".to_owned(),
        3 => format!("SELECT set_config('{name}', '{value}', false) /* {token} */"),
        _ => format!("SET {name} = '{value}'"),
    };
    let is_discard = set.starts_with("DISCARD");
    match roll.below(6) {
        0 if !is_discard => {
            steps.push(send(query("BEGIN")));
            steps.push(send(query(&set)));
            if roll.chance(0.3) {
                steps.push(send(query(&format!("SET LOCAL {name} = 'here'"))));
            }
            if roll.chance(0.3) {
                steps.push(send(query(&format!("SELECT 1 /* {token} fail={token} */"))));
            } else if !set.starts_with("RESET") {
                // RESET goes to the server's own value until the transaction is over; then the
                // client's startup parameter is followed.
                steps.push(send(query(&format!("SHOW {name}"))));
            }
            steps.push(send(query(if roll.chance(0.5) {
                "COMMIT"
            } else {
                "ROLLBACK"
            })));
        }
        1 => steps.push(send(extended(&set, None))),
        2 if !is_discard => {
            // One implicit transaction of two statements; sometimes it fails.
            let second = if roll.chance(0.4) {
                format!("SELECT 1 /* {token} fail={token} */")
            } else {
                format!("SELECT 1 /* {token} */")
            };
            if roll.chance(0.5) {
                steps.push(send(query(&format!("{set}; {second}"))));
            } else {
                let mut out = Vec::new();
                unnamed(&mut out, &set, None);
                unnamed(&mut out, &second, None);
                frontend::put_sync(&mut out);
                steps.push(send(out));
            }
        }
        _ => steps.push(send(query(&set))),
    }
    if roll.chance(0.5) {
        steps.push(Step::Think(roll.around(Duration::from_millis(20))));
    }
    for name in NAMES {
        if roll.chance(0.6) {
            let show = format!("SHOW {name}");
            steps.push(send(if roll.chance(0.7) {
                query(&show)
            } else {
                extended(&show, None)
            }));
        }
    }
}

/// Several exchanges without waiting.
fn pipeline(token: &str, model: &Session, roll: &mut Roll, steps: &mut Vec<Step>) {
    let mut out = Vec::new();
    let many = roll.between(2, 6);
    let in_one = roll.chance(0.5);
    let mut fresh: Option<String> = None;
    for n in 0..many {
        let what = roll.below(6);
        let sql = format!("SELECT $1 /* {token} {n} */");
        match what {
            0 => frontend::put_query(&mut out, format!("SELECT 1 /* {token} {n} */").as_bytes()),
            1 => {
                unnamed(
                    &mut out,
                    &format!("SELECT 1 /* {token} fail={token} */"),
                    None,
                );
                unnamed(&mut out, &sql, Some(token));
                frontend::put_sync(&mut out);
            }
            2 => {
                let name = format!("p{}", token.replace('.', "_"));
                if fresh.is_none() && !model.has_statement(name.as_bytes()) {
                    frontend::put_parse(&mut out, name.as_bytes(), sql.as_bytes(), &[0, 0]);
                    fresh = Some(name.clone());
                }
                bind(&mut out, &name, Some(token));
                frontend::put_execute(&mut out, b"", 0);
                frontend::put_sync(&mut out);
            }
            3 => {
                unnamed(&mut out, "BEGIN", None);
                unnamed(&mut out, &sql, Some(token));
                unnamed(&mut out, "COMMIT", None);
                frontend::put_sync(&mut out);
            }
            _ => {
                unnamed(&mut out, &sql, Some(token));
                frontend::put_sync(&mut out);
            }
        }
        if !in_one {
            steps.push(Step::Send {
                bytes: std::mem::take(&mut out),
                now: true,
            });
        }
    }
    if let Some(name) = fresh {
        frontend::put_close(&mut out, TargetKind::Statement, name.as_bytes());
        frontend::put_sync(&mut out);
    }
    if !out.is_empty() {
        steps.push(Step::Send {
            bytes: out,
            now: true,
        });
    }
}

fn copy(token: &str, roll: &mut Roll, steps: &mut Vec<Step>) {
    if roll.chance(0.3) {
        let rows = roll.between(0, 40);
        let sql = format!("COPY (SELECT 1 /* {token} */) TO STDOUT rows={rows}");
        steps.push(send(if roll.chance(0.5) {
            query(&sql)
        } else {
            extended(&sql, None)
        }));
        return;
    }
    let simple = roll.chance(0.6);
    let sql = format!("COPY t FROM STDIN /* {token} */");
    let mut out = Vec::new();
    if simple {
        out = query(&sql);
    } else {
        unnamed(&mut out, &sql, None);
        frontend::put_flush(&mut out);
    }
    steps.push(send(out));
    let mut data = Vec::new();
    let rows = roll.between(0, 30);
    let bad = roll.chance(0.3).then(|| roll.between(0, rows));
    for row in 0..rows {
        if Some(row) == bad {
            frontend::put_copy_data(&mut data, format!("bad {token}\n").as_bytes());
        }
        let mut line = format!("{row} {token}\n").into_bytes();
        line.resize(line.len() + roll.below(300), b'x');
        frontend::put_copy_data(&mut data, &line);
    }
    if roll.chance(0.2) {
        frontend::put_copy_fail(&mut data, b"changed my mind");
    } else {
        frontend::put_copy_done(&mut data);
    }
    let mut otherwise = Vec::new();
    if !simple {
        frontend::put_sync(&mut data);
        frontend::put_sync(&mut otherwise);
    }
    steps.push(Step::Copy {
        simple,
        data,
        otherwise,
    });
    if roll.chance(0.2) {
        steps.push(Step::Cancel(Duration::from_millis(1)));
    }
}

/// A transaction that fails and goes on asking before it rolls back.
fn errors(token: &str, roll: &mut Roll, steps: &mut Vec<Step>) {
    steps.push(send(query("BEGIN")));
    steps.push(send(query(&format!("SELECT 1 /* {token} fail={token} */"))));
    if roll.chance(0.5) {
        steps.push(send(query(&format!("SELECT 2 /* {token} */"))));
    }
    if roll.chance(0.3) {
        steps.push(send(extended(&format!("SELECT 3 /* {token} */"), None)));
    }
    steps.push(send(query(if roll.chance(0.5) {
        "ROLLBACK"
    } else {
        "COMMIT"
    })));
}

/// Statements in the ways that poolers get wrong.
fn reuse(token: &str, roll: &mut Roll, steps: &mut Vec<Step>) {
    let mut out = Vec::new();
    match roll.below(6) {
        // The unnamed statement over two transactions.
        0 => {
            frontend::put_parse(
                &mut out,
                b"",
                format!("SELECT $1 /* {token} */").as_bytes(),
                &[0, 0],
            );
            frontend::put_sync(&mut out);
            steps.push(send(std::mem::take(&mut out)));
            steps.push(Step::Think(roll.around(Duration::from_millis(10))));
            bind(&mut out, "", Some(token));
            frontend::put_execute(&mut out, b"", 0);
        }
        // A name that isn't there.
        1 => {
            bind(&mut out, "nowhere", Some(token));
            frontend::put_execute(&mut out, b"", 0);
        }
        // Asked what it is, in vain or not. (A name given twice isn't asked for: Weir takes the
        // second Parse where PostgreSQL answers 42P05.)
        2 => {
            let name = format!("s{}", roll.below(SHARED));
            frontend::put_describe(&mut out, TargetKind::Statement, name.as_bytes());
        }
        // A name closed and given to another text.
        3 => {
            let k = roll.below(SHARED);
            let name = format!("s{k}");
            frontend::put_close(&mut out, TargetKind::Statement, name.as_bytes());
            let other = format!("SELECT $1 /* {token} */");
            frontend::put_parse(&mut out, name.as_bytes(), other.as_bytes(), &[0, 0]);
            bind(&mut out, &name, Some(token));
            frontend::put_execute(&mut out, b"", 0);
            frontend::put_close(&mut out, TargetKind::Statement, name.as_bytes());
        }
        // Fails after a Parse in the same exchange.
        4 => {
            let name = format!("f{}", token.replace('.', "_"));
            let sql = format!("SELECT $1 /* {token} */");
            frontend::put_parse(&mut out, name.as_bytes(), sql.as_bytes(), &[0, 0]);
            unnamed(&mut out, &format!("SELECT 1 /* fail={token} */"), None);
            frontend::put_sync(&mut out);
            bind(&mut out, &name, Some(token));
            frontend::put_execute(&mut out, b"", 0);
        }
        _ => {
            steps.push(send(query("DEALLOCATE ALL")));
            let name = format!("s{}", roll.below(SHARED));
            frontend::put_describe(&mut out, TargetKind::Statement, name.as_bytes());
        }
    }
    frontend::put_sync(&mut out);
    steps.push(send(out));
}
