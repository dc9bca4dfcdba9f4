//! Which statements have the same shape, and what is read beside it.

use weir_wire::sql::{fingerprint, hash_tag, normalized, scan, tag};

fn same(a: &str, b: &str) {
    let (fa, fb) = (fingerprint(a.as_bytes()), fingerprint(b.as_bytes()));
    assert_eq!(fa, fb, "{} | {}", text(a), text(b));
}

fn differ(a: &str, b: &str) {
    let (fa, fb) = (fingerprint(a.as_bytes()), fingerprint(b.as_bytes()));
    assert_ne!(fa, fb, "{} | {}", text(a), text(b));
}

fn text(sql: &str) -> String {
    normalized(sql.as_bytes(), 1000)
}

#[test]
fn literals_of_every_kind_are_alike() {
    let first = "select * from t where a = 1";
    for literal in [
        "2",
        "-2",
        "+ 2",
        "2.5e-7",
        ".5",
        "0xFF",
        "1_000",
        "'x'",
        "'it''s'",
        "E'it\\'s'",
        "b'101'",
        "X'ff'",
        "N'x'",
        "U&'\\0041'",
        "$1",
        "$$x; y$$",
        "$f$ $$ $f$",
        "null",
        "TRUE",
    ] {
        same(first, &format!("select * from t where a = {literal}"));
    }
}

#[test]
fn what_is_no_literal_stays() {
    differ("select a from t", "select b from t");
    differ("select 1 where a is null", "select 1 where a is true");
    differ("select a - 1", "select a + 1");
    differ("select a", "select \"A\"");
    differ("select 1", "select 1, 2");
    differ("select a, b", "select ab");
    differ("a = 1", "a >= 1");
}

#[test]
fn a_sign_is_part_of_the_number_where_a_value_is_due() {
    same("where a between 1 and 2", "where a between -1 and -2");
    same(
        "select case when a then 1 else null end",
        "select case when a then -1 else 2 end",
    );
    same("select 1 limit 5", "select -1 limit 5");
    differ("select a - 1", "select a, 1");
    differ("select (a) -1", "select (a)");
    differ("where a is null", "where a is not null");
}

#[test]
fn white_space_case_comments_and_the_last_semicolon_do_not_count() {
    same("SELECT a FROM t", "select\n\ta  from T ;");
    same(
        "select a from t",
        "/* x /* nested */ y */ select a -- z\n from t;;",
    );
    same("select a from t", "select/**/a/**/from/**/t");
    same("select a=1", "select a = 1");
    differ("select a; select b", "select a select b");
}

#[test]
fn lists_of_any_length_are_alike() {
    same(
        "select 1 where a in (1)",
        "select 1 where a IN (1, 2,3 , -4)",
    );
    same(
        "where a in ('x'::text)",
        "where a in ('x'::text, 'y'::text)",
    );
    same("where (a,b) in ((1,2))", "where (a,b) in ((1,2),(3,4))");
    same(
        "where a = any(array[1]) and b",
        "where a = any(ARRAY[1,2,3]) and b",
    );
    same(
        "where a in (1) and b in (1)",
        "where a in (1,2) and b in (3,4,5)",
    );
    differ("where a in (1) and b", "where a in (1, 2)");
    differ("where a in (select 1, 2)", "where a in (select 1)");
    same(
        "where a in (select b where c in (1))",
        "where a in (select b where c in (1,2))",
    );
}

#[test]
fn rows_of_any_number_are_alike() {
    same(
        "insert into t values (1,2)",
        "insert into t values (1,2), (3,4), (now(), default)",
    );
    same(
        "insert into t (a) values (1) on conflict do nothing",
        "insert into t (a) values (1), (2) on conflict do nothing;",
    );
    same(
        "select * from (values (1)) v, u",
        "select * from (values (1), (2)) v, u",
    );
    differ(
        "insert into t values (1,2)",
        "insert into t values (1,2) returning a",
    );
    differ("insert into t values (1)", "insert into t values (1, 2)");
    same(
        "insert into t values (array[1])",
        "insert into t values (array[1,2]), (array[3])",
    );
}

#[test]
fn the_text_shows_the_shape() {
    assert_eq!(
        text("SELECT  a, \"B\" FROM t /* c */ WHERE a IN (1, 2) AND b = 'x' AND c=-1;"),
        "select a, \"B\" from t where a in (?) and b = ? and c=?"
    );
    assert_eq!(
        text("INSERT INTO t VALUES ($1, $2), ($3, $4) RETURNING id"),
        "insert into t values (?, ?) returning id"
    );
    assert_eq!(text("select 1; select 2 ;"), "select ?; select ?");
    assert_eq!(normalized(b"select abcdef", 9), "select ab…");
    assert_eq!(normalized("select é".as_bytes(), 8), "select …");
}

#[test]
fn a_user_tag_is_found_in_front_and_behind() {
    for sql in [
        "/*user_id='42'*/ select 1",
        "select 1 /* user_id='42' */;",
        "select 1 /*route='%2Fx',user_id='42',z='1'*/",
        "select 1 /*user_id=42*/",
        "select 1 /*app:shop,user_id:42*/",
        "/*user_id='7'*/ select 1 /*user_id='42'*/",
        "select '/*user_id=7*/' /*user_id='4%32'*/",
    ] {
        assert_eq!(
            tag(sql.as_bytes(), b"user_id").as_deref(),
            Some(&b"42"[..]),
            "{sql}"
        );
        let scan = scan(sql.as_bytes(), b"user_id");
        assert_eq!(scan.user_tag, hash_tag(b"42"), "{sql}");
        assert!(scan.plain, "{sql}");
    }
}

#[test]
fn what_only_looks_like_the_tag_is_not_it() {
    for sql in [
        "select 1",
        "select '/*user_id=42*/'",
        "select 1 /*xuser_id='42'*/",
        "select 1 /*user_ids='42'*/",
        "select 1 /*user_id*/",
        "select 1 /*user_id='42*/",
        "select 1 -- user_id='42'",
    ] {
        assert_eq!(tag(sql.as_bytes(), b"user_id"), None, "{sql}");
        assert_eq!(scan(sql.as_bytes(), b"user_id").user_tag, 0, "{sql}");
    }
    assert_eq!(scan(b"/*user_id='42'*/ select 1", b"").user_tag, 0);
}

#[test]
fn values_are_decoded_before_they_are_told_apart() {
    let sql = br"select 1 /*k='it%27s%20\'%ZZ'*/";
    assert_eq!(tag(sql, b"k").as_deref(), Some(&b"it's '%ZZ"[..]));
}

#[test]
fn a_scan_and_a_fingerprint_agree() {
    for sql in [
        "",
        ";",
        "select 1",
        "/*user_id='1'*/ update t set a = 1 where b in (1,2)",
    ] {
        let scan = scan(sql.as_bytes(), b"user_id");
        assert_eq!(scan.fingerprint, fingerprint(sql.as_bytes()));
        assert_ne!(scan.fingerprint, 0);
    }
}

#[test]
fn hostile_texts_cost_no_more_than_their_length() {
    let n = 1 << 18;
    for sql in [
        "(".repeat(n),
        "/*".repeat(n),
        "$a".repeat(n),
        format!(
            "${}${}",
            "a".repeat(n),
            format!("${}", "a".repeat(1000)).repeat(n / 1000)
        ),
        "'".repeat(n + 1),
        "set_config(".repeat(n / 10),
        "select pg_advisory_lock(1);".repeat(n / 30),
        "/*a".repeat(n),
    ] {
        scan(sql.as_bytes(), b"a");
        weir_wire::sql::classify(sql.as_bytes());
    }
}
