//! Random lives: whatever clients, servers and control do, in whatever order, the promises hold.

mod scenario;

use proptest::prelude::*;
use scenario::{Batch, Scenario, ms, pool};
use weir_model::{ClientId, ConnectFailure, Order, PoolId, SessionState};
use weir_wire::frontend;

#[derive(Clone, Debug)]
enum Act {
    Connect,
    Ask(usize, usize),
    Garbage(usize, Vec<u8>),
    Leave(usize),
    Terminate(usize),
    Pass(u64),
    Finish(usize),
    Die(usize, bool),
    ServerGarbage(usize, Vec<u8>),
    Resize(u32),
    Warm(u32),
    Pause,
    Resume,
    FailDial,
    HoldDials,
    AnswerDials,
    CloseServer(usize, bool),
    CloseClient(usize),
    CancelServer(usize),
    Stall(usize, bool),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => Just(Act::Connect),
        20 => (0..8usize, 0..22usize).prop_map(|(c, q)| Act::Ask(c, q)),
        1 => (0..8usize, prop::collection::vec(any::<u8>(), 0..30)).prop_map(|(c, b)| Act::Garbage(c, b)),
        2 => (0..8usize).prop_map(Act::Leave),
        1 => (0..8usize).prop_map(Act::Terminate),
        3 => (1..3000u64).prop_map(Act::Pass),
        6 => (0..6usize).prop_map(Act::Finish),
        1 => (0..6usize, any::<bool>()).prop_map(|(s, w)| Act::Die(s, w)),
        1 => (0..6usize, prop::collection::vec(any::<u8>(), 0..30)).prop_map(|(s, b)| Act::ServerGarbage(s, b)),
        2 => (1..5u32).prop_map(Act::Resize),
        1 => (0..4u32).prop_map(Act::Warm),
        1 => Just(Act::Pause),
        2 => Just(Act::Resume),
        1 => Just(Act::FailDial),
        1 => Just(Act::HoldDials),
        2 => Just(Act::AnswerDials),
        1 => (0..6usize, any::<bool>()).prop_map(|(s, n)| Act::CloseServer(s, n)),
        1 => (0..8usize).prop_map(Act::CloseClient),
        1 => (0..6usize).prop_map(Act::CancelServer),
        1 => (0..8usize, any::<bool>()).prop_map(|(c, b)| Act::Stall(c, b)),
    ]
}

fn message(which: usize) -> Vec<u8> {
    match which {
        0 => Batch::new().query("begin").0,
        1 => Batch::new().query("commit").0,
        2 => Batch::new().query("rollback").0,
        3 => Batch::new().query("set work_mem = '1MB'").0,
        4 => Batch::new().query("set work_mem = '2MB'; fail").0,
        5 => Batch::new().query("slow one").0,
        6 => Batch::new().query("slow two").query("select 2").0,
        7 => Batch::new().query("listen c").0,
        8 => Batch::new().query("unlisten *").0,
        9 => Batch::new().query("discard all").0,
        10 => {
            Batch::new()
                .parse("a", "select 1")
                .bind("a")
                .execute()
                .sync()
                .0
        }
        11 => Batch::new().bind("a").execute().sync().0,
        12 => Batch::new().parse("b", "syntax error").bind("b").sync().0,
        13 => {
            Batch::new()
                .parse("", "select 3")
                .bind("")
                .execute()
                .flush()
                .0
        }
        14 => Batch::new().sync().0,
        15 => Batch::new().close("a").sync().0,
        16 => Batch::new().query("copy t from stdin").0,
        17 => {
            let mut out = Vec::new();
            frontend::put_copy_data(&mut out, b"1\n");
            frontend::put_copy_done(&mut out);
            out
        }
        18 => {
            let mut out = Vec::new();
            frontend::put_copy_fail(&mut out, b"no");
            out
        }
        19 => {
            let mut out = Batch::new()
                .parse("", "copy t from stdin")
                .bind("")
                .execute()
                .sync()
                .0;
            frontend::put_copy_data(&mut out, b"1\n");
            frontend::put_copy_done(&mut out);
            frontend::put_sync(&mut out);
            out
        }
        20 => {
            Batch::new()
                .bind("")
                .execute()
                .sync()
                .describe("a")
                .sync()
                .0
        }
        _ => Batch::new().query("fail").0,
    }
}

fn check(s: &Scenario) -> Result<(), TestCaseError> {
    let rows = s.engine.snapshot(0);
    let mut linked = std::collections::BTreeSet::new();
    for server in &rows.servers {
        if let Some(client) = server.client {
            prop_assert!(linked.insert(client), "{client} has two servers");
            let row = rows.clients.iter().find(|c| c.client == client);
            prop_assert_eq!(row.and_then(|c| c.server), Some(server.server));
        }
    }
    for client in &rows.clients {
        if client.server.is_some() {
            prop_assert!(linked.contains(&client.client));
        }
    }
    Ok(())
}

fn live(acts: Vec<Act>, state: SessionState) -> Result<(), TestCaseError> {
    let mut p = pool(2);
    p.session_state = state;
    p.prepared_statements_max = 2;
    p.query_wait_timeout = ms(5000);
    let mut s = Scenario::with(p);
    let mut clients: Vec<ClientId> = Vec::new();
    let mut size = 2u32;
    let mut over_allowed = 0u32;
    let mut attacked = false;
    for act in acts {
        let client = |n: usize| clients.get(n % clients.len().max(1)).copied();
        let server = |s: &Scenario, n: usize| {
            let open = s.open_servers();
            open.get(n % open.len().max(1)).copied()
        };
        match act {
            Act::Connect => {
                if clients.len() < 8 {
                    clients.push(s.logs_in_with("ann", &[]));
                }
            }
            Act::Ask(c, q) => {
                if let Some(c) = client(c) {
                    // Whoever asks something else while its COPY is on breaks the protocol.
                    attacked |= (16..20).contains(&q);
                    s.sends(c, &message(q));
                }
            }
            Act::Garbage(c, bytes) => {
                if let Some(c) = client(c) {
                    s.sends(c, &bytes);
                    // The server behind gets what a client that lies about lengths sends; a real
                    // one would close. The fake one can't read it.
                    s.leaves(c);
                    clients.retain(|x| *x != c);
                }
            }
            Act::Leave(c) => {
                if let Some(c) = client(c) {
                    s.leaves(c);
                    clients.retain(|x| *x != c);
                }
            }
            Act::Terminate(c) => {
                if let Some(c) = client(c) {
                    s.sends(c, b"X\0\0\0\x04");
                    s.leaves(c);
                    clients.retain(|x| *x != c);
                }
            }
            Act::Pass(n) => {
                s.after(ms(n));
            }
            Act::Finish(n) => {
                if let Some(id) = server(&s, n) {
                    s.finishes(id);
                }
            }
            Act::Die(n, words) => {
                if let Some(id) = server(&s, n) {
                    s.dies(id, words.then_some(("57P01", "terminating")));
                }
            }
            Act::ServerGarbage(n, bytes) => {
                if let Some(id) = server(&s, n) {
                    attacked = true;
                    s.server_sends(id, &bytes);
                    s.dies(id, None);
                }
            }
            Act::Resize(n) => {
                over_allowed = s
                    .engine
                    .sample(s.now)
                    .pools
                    .first()
                    .map_or(0, |p| p.servers.open());
                if !s.engine.sample(s.now).pools.is_empty() {
                    size = n;
                }
                s.orders(Order::Resize {
                    pool: PoolId(0),
                    size: n,
                });
            }
            Act::Warm(n) => s.orders(Order::Warm {
                pool: PoolId(0),
                servers: n,
            }),
            Act::Pause => s.orders(Order::Pause { pool: None }),
            Act::Resume => s.orders(Order::Resume { pool: None }),
            Act::FailDial => {
                if let Some(id) = s.dials.first().copied() {
                    s.dial_fails(id, ConnectFailure::Io("refused".into()));
                }
            }
            Act::HoldDials => s.answers_dials = false,
            Act::AnswerDials => {
                s.answers_dials = true;
                s.pump();
            }
            Act::CloseServer(n, now) => {
                if let Some(id) = server(&s, n) {
                    s.orders(Order::CloseServer { server: id, now });
                }
            }
            Act::CloseClient(c) => {
                if let Some(c) = client(c) {
                    s.orders(Order::CloseClient {
                        client: c,
                        reason: "drill".into(),
                    });
                }
            }
            Act::CancelServer(n) => {
                if let Some(id) = server(&s, n) {
                    s.orders(Order::CancelServer { server: id });
                }
            }
            Act::Stall(c, b) => {
                if let Some(c) = client(c) {
                    let mut fx = weir_engine::Effects::new();
                    s.engine
                        .stalled(weir_engine::Conn::Client(c), b, s.now, &mut fx);
                }
            }
        }
        check(&s)?;
        if let Some(pool) = s.engine.sample(s.now).pools.first() {
            let open = pool.servers.open();
            over_allowed = over_allowed.min(open).max(size);
            prop_assert!(open <= over_allowed, "{open} open, size {size}");
        }
        // Who hung up is out of the list; garbage may have closed others.
        clients.retain(|c| !s.clients[c].closed);
    }
    // Once all is calm, everyone is served.
    s.answers_dials = true;
    s.orders(Order::Resume { pool: None });
    for id in s.open_servers() {
        s.finishes(id);
        s.finishes(id);
        s.finishes(id);
    }
    s.pump();
    for c in clients {
        s.leaves(c);
    }
    s.after(ms(20_000));
    let eve = s.logs_in_with("ann", &[]);
    s.after(ms(5000));
    s.hears(eve);
    let said = s.says(eve, "select 42");
    let said = if said.is_empty() {
        s.after(ms(5000));
        s.hears(eve)
    } else {
        said
    };
    prop_assert!(said.ends_with("<select 42> [SELECT 1] ZI"), "{said}");
    if !attacked {
        prop_assert!(s.faults().is_empty(), "{:?}", s.faults());
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_sums_hold_and_everyone_is_served_in_the_end(
        acts in prop::collection::vec(act(), 1..80),
        state in prop_oneof![Just(SessionState::Follow), Just(SessionState::Ignore)],
    ) {
        live(acts, state)?;
    }

    #[test]
    fn no_bytes_make_it_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        login in any::<bool>(),
    ) {
        let mut s = Scenario::with(pool(1));
        let id = if login { s.logs_in() } else { s.connects() };
        s.answers_dials = false;
        let mut fx = weir_engine::Effects::new();
        s.engine.received(weir_engine::Conn::Client(id), &bytes, s.now, &mut fx);
        for server in s.open_servers() {
            s.engine.received(weir_engine::Conn::Server(server), &bytes, s.now, &mut fx);
        }
    }
}
