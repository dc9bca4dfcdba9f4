"""One life of a psycopg 3 client, told on standard output.

Run against PostgreSQL itself, and through Weir in session and transaction mode: the three outputs
must be the same, byte for byte. Nothing that may differ (PIDs, times) is printed.
"""

import sys

import psycopg
from psycopg import sql
from psycopg.rows import dict_row


def say(*what):
    print(*what, flush=True)


def fails(what, action):
    try:
        action()
        say(what, "did not fail")
    except psycopg.Error as fault:
        text = str(fault).splitlines()[0] if str(fault) else ""
        say(what, type(fault).__name__, fault.sqlstate, text)


def autocommit(dsn):
    with psycopg.connect(dsn, autocommit=True) as conn:
        say("one", conn.execute("select 1, 'ä€', null, 1.5::numeric, now() is not null").fetchone())
        say("params", conn.execute("select %s::int + %s::int, %s::text[]", (40, 2, ["a", "b"])).fetchone())
        say("binary", conn.execute("select %b::bytea", (b"\x00\xff",), binary=True).fetchone())
        fails("error", lambda: conn.execute("select 1/0"))
        fails("missing", lambda: conn.execute("select * from no_such_table"))
        say("after", conn.execute("select 7").fetchone())
        say("encoding", conn.info.encoding, "timezone", str(conn.info.timezone))
        notices = []
        conn.add_notice_handler(lambda n: notices.append((n.severity, n.message_primary)))
        conn.execute("do $$ begin raise notice 'hello'; raise warning 'careful'; end $$")
        say("notices", notices)
        conn.execute("set application_name = 'driver test'")
        say("application_name", conn.execute("show application_name").fetchone())
        conn.execute("set search_path to pg_catalog")
        say("search_path", [conn.execute("show search_path").fetchone() for _ in range(3)])
        conn.execute("reset all")
        say("search_path", conn.execute("show search_path").fetchone())


def transactions(dsn):
    with psycopg.connect(dsn) as conn:
        conn.execute("drop table if exists driver_t")
        conn.execute("create table driver_t (id int primary key, v text)")
        conn.commit()
        with conn.transaction():
            conn.execute("insert into driver_t values (1, 'one')")
        try:
            with conn.transaction():
                conn.execute("insert into driver_t values (2, 'two')")
                with conn.transaction():
                    conn.execute("insert into driver_t values (1, 'again')")
        except psycopg.errors.UniqueViolation as fault:
            say("unique", fault.diag.constraint_name, fault.diag.message_detail)
        say("kept", conn.execute("select id, v from driver_t order by id").fetchall())
        fails("broken", lambda: conn.execute("select nonsense"))
        fails("in failed transaction", lambda: conn.execute("select 1"))
        conn.rollback()
        conn.execute("select set_config('statement_timeout', '100', true)")
        fails("timeout", lambda: conn.execute("select pg_sleep(5)"))
        conn.rollback()
        say("status", conn.info.transaction_status.name)
        cur = conn.executemany if hasattr(conn, "executemany") else conn.cursor().executemany
        cur("insert into driver_t values (%s, %s)", [(n, str(n)) for n in range(10, 60)])
        conn.commit()
        say("many", conn.execute("select count(*), sum(id) from driver_t").fetchone())


def prepared(dsn):
    # A small cache makes psycopg forget statements too, which is where poolers trip.
    with psycopg.connect(dsn, autocommit=True, prepare_threshold=1) as conn:
        conn.prepared_max = 3
        total = 0
        for round_ in range(6):
            for n in range(6):
                query = sql.SQL("select %s::int * {}").format(sql.Literal(n))
                total += conn.execute(query, (round_,)).fetchone()[0]
        say("prepared", total)
        conn.execute("deallocate all")
        say("after deallocate all", conn.execute("select %s::int", (5,), prepare=True).fetchone())
        conn.execute("discard all")
    with psycopg.connect(dsn, prepare_threshold=0) as conn:
        for n in range(4):
            with conn.transaction():
                say("prepared in transaction", conn.execute("select %s::int + 1", (n,)).fetchone())


def pipeline(dsn):
    with psycopg.connect(dsn, autocommit=True, prepare_threshold=0) as conn:
        with conn.pipeline():
            cursors = [conn.execute("select %s::int * 2", (n,)) for n in range(200)]
        say("pipeline", sum(c.fetchone()[0] for c in cursors))
        try:
            with conn.pipeline() as p:
                good = conn.execute("select 'before'")
                conn.execute("select 1/0")
                conn.execute("select 'skipped'")
                p.sync()
        except psycopg.Error as fault:
            say("pipeline error", fault.sqlstate, good.fetchone())
        with conn.pipeline():
            with conn.transaction():
                conn.execute("select 1")
                last = conn.execute("select 'in transaction'")
        say("pipeline", last.fetchone())


def copy(dsn):
    with psycopg.connect(dsn) as conn:
        conn.execute("drop table if exists driver_copy")
        conn.execute("create table driver_copy (id int, v text)")
        with conn.cursor().copy("copy driver_copy from stdin") as c:
            for n in range(20000):
                c.write_row((n, f"row {n} with\ttab and ä"))
        conn.commit()
        say("copied", conn.execute("select count(*), sum(length(v)) from driver_copy").fetchone())
        size = 0
        with conn.cursor().copy("copy driver_copy to stdout (format binary)") as c:
            for block in c:
                size += len(block)
        say("binary out", size)

        def broken():
            with conn.cursor().copy("copy driver_copy from stdin") as c:
                c.write("1\tfine\nnot a number\tx\n")

        fails("broken copy", broken)
        conn.rollback()

        def gives_up():
            with conn.cursor().copy("copy driver_copy from stdin") as c:
                c.write("1\tfine\n")
                raise ValueError("changed my mind")

        try:
            gives_up()
        except ValueError as fault:
            say("gave up", fault)
        conn.rollback()
        say("still", conn.execute("select count(*) from driver_copy").fetchone())
        conn.execute("drop table driver_copy")


def notify(dsn):
    with psycopg.connect(dsn, autocommit=True) as listener, psycopg.connect(dsn, autocommit=True) as speaker:
        listener.execute("listen driver_news")
        for n in range(3):
            speaker.execute("select pg_notify('driver_news', %s)", (f"issue {n}",))
        heard = [n.payload for n in listener.notifies(timeout=10, stop_after=3)]
        say("heard", heard)
        listener.execute("unlisten *")


def cursors(dsn):
    with psycopg.connect(dsn) as conn:
        with conn.cursor(name="named", row_factory=dict_row) as cur:
            cur.itersize = 7
            cur.execute("select g as n from generate_series(1, 50) g")
            say("named cursor", sum(row["n"] for row in cur))
        conn.commit()
        with conn.cursor(name="scroll", scrollable=True) as cur:
            cur.execute("select generate_series(1, 10)")
            cur.scroll(5)
            say("scrolled", cur.fetchone())
            cur.scroll(-3)
            say("back", cur.fetchone())
        conn.commit()
        with conn.cursor(name="held", withhold=True) as cur:
            cur.execute("select generate_series(1, 5)")
            conn.commit()
            say("held", cur.fetchall())
        conn.commit()
        # Rows one by one, straight from the wire.
        say("stream", sum(row[0] for row in conn.cursor().stream("select generate_series(1, 100)")))
        conn.rollback()


def state(dsn):
    with psycopg.connect(dsn, autocommit=True, options="-c statement_timeout=4321") as conn:
        say("options", conn.execute("show statement_timeout").fetchone())
        conn.execute("create temp table mine (a int)")
        conn.execute("insert into mine values (1), (2)")
        say("temp", [conn.execute("select sum(a) from mine").fetchone() for _ in range(3)])
        say("lock", conn.execute("select pg_try_advisory_lock(99)").fetchone())
        say("unlock", conn.execute("select pg_advisory_unlock(99)").fetchone())
        conn.execute("set role pg_monitor")
        say("role", conn.execute("select current_user").fetchone())
        conn.execute("reset role")
        conn.isolation_level = psycopg.IsolationLevel.SERIALIZABLE
        with conn.transaction():
            say("isolation", conn.execute("show transaction_isolation").fetchone())


def cancel(dsn):
    import threading

    with psycopg.connect(dsn, autocommit=True) as conn:
        timer = threading.Timer(0.3, conn.cancel)
        timer.start()
        fails("cancelled", lambda: conn.execute("select pg_sleep(20)"))
        timer.join()
        say("after cancel", conn.execute("select 1").fetchone())


if __name__ == "__main__":
    for part in (autocommit, transactions, prepared, pipeline, copy, notify, cursors, state, cancel):
        say("==", part.__name__)
        part(sys.argv[1])
