//! What holds for all bytes: however TCP cuts the stream the same messages are read; what is
//! written reads back; nothing panics; where `postgres-protocol` reads the same message, we agree.

use bytes::BytesMut;
use fallible_iterator::FallibleIterator;
use postgres_protocol::message::{backend as their_backend, frontend as their_frontend};
use proptest::prelude::*;
use weir_wire::auth::scram::{Client, Secret, Server, Verifier};
use weir_wire::backend::{self, Complaint, TxStatus};
use weir_wire::frame::{MESSAGE_MAX, messages};
use weir_wire::frontend::{self, Frontend, TargetKind};
use weir_wire::{sql, startup};

/// Bytes without a zero, as names and texts are.
fn text() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(1u8..=255, 0..40)
}

fn body(message: &[u8]) -> &[u8] {
    &message[5..]
}

fn read(stream: &[u8]) -> Vec<(u8, Vec<u8>)> {
    messages(stream, MESSAGE_MAX)
        .map(|m| m.expect("it was framed well"))
        .map(|m| (m.tag, m.body.to_vec()))
        .collect()
}

proptest! {
    // A case that failed becomes a named test, not a seed in a file.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn however_the_stream_is_cut_the_same_messages_are_read(
        sent in prop::collection::vec((any::<u8>(), prop::collection::vec(any::<u8>(), 0..30)), 0..10),
        cuts in prop::collection::vec(1usize..20, 1..40),
    ) {
        let mut stream = Vec::new();
        for (tag, body) in &sent {
            stream.push(*tag);
            stream.extend_from_slice(&(body.len() as u32 + 4).to_be_bytes());
            stream.extend_from_slice(body);
        }
        prop_assert_eq!(&read(&stream), &sent);

        let (mut kept, mut pieces, mut rest) = (Vec::new(), Vec::new(), &stream[..]);
        let mut cuts = cuts.iter().cycle();
        while !rest.is_empty() {
            let (piece, tail) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
            rest = tail;
            kept.extend_from_slice(piece);
            let mut all = messages(&kept, MESSAGE_MAX);
            for message in all.by_ref() {
                let message = message.unwrap();
                pieces.push((message.tag, message.body.to_vec()));
            }
            kept = all.rest().to_vec();
        }
        prop_assert_eq!(pieces, sent);
        prop_assert!(kept.is_empty());
    }

    #[test]
    fn no_bytes_make_a_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), tag: u8) {
        let _ = messages(&bytes, 100).count();
        let _ = startup::parse(&bytes);
        let _ = startup::parse_options(&String::from_utf8_lossy(&bytes));
        let _ = frontend::parse(tag, &bytes);
        let _ = frontend::peek_bind(&bytes);
        let _ = frontend::peek_parse(&bytes);
        let _ = frontend::peek_target("Close", &bytes);
        let _ = frontend::sasl_initial(&bytes);
        let _ = frontend::password(&bytes);
        let _ = backend::ready_for_query(&bytes);
        let _ = backend::authentication(&bytes);
        let _ = backend::parameter_status(&bytes);
        let _ = backend::backend_key_data(&bytes);
        let _ = backend::notification(&bytes);
        let _ = backend::command_complete(&bytes).map(backend::rows_of);
        let _ = backend::negotiate_protocol_version(&bytes);
        if let Ok(fields) = backend::error_fields(&bytes) {
            let _ = fields.iter().count();
        }
    }

    #[test]
    fn no_message_makes_an_exchange_panic(one in any::<Vec<u8>>(), two in any::<Vec<u8>>()) {
        let mut server = Server::new(Verifier::decoy(b"salt"), "n".to_owned());
        let _ = server.on_first(&one);
        let _ = server.on_final(&two);
        let mut client = Client::new(Secret::Password(one.clone()), "n".to_owned());
        let _ = client.on_challenge(&one);
        let _ = client.on_final(&two);
    }

    #[test]
    fn no_text_makes_the_lexer_panic_and_what_is_plain_is_plain(
        pieces in prop::collection::vec(prop_oneof![
            Just("select "), Just("("), Just(")"), Just("["), Just("]"), Just(","), Just(";"), Just("'"),
            Just("\""), Just("--"), Just("\n"), Just("/*"), Just("*/"), Just("$$"), Just("$a$"), Just("$1"),
            Just(" in "), Just(" values "), Just("array"), Just("1"), Just("-"), Just("+"), Just("e'"),
            Just("\\"), Just("set "), Just("into "), Just("temp "), Just("listen a"), Just("é"), Just("k='"),
            Just("set_config"), Just("pg_advisory_lock"), Just("create "), Just("begin atomic "), Just("end"),
            Just("."), Just("null"), Just("u&\""), Just("explain "), Just("local "), Just("pg_temp"),
        ], 0..30),
    ) {
        let text = pieces.concat();
        let sql = text.as_bytes();
        let scan = sql::scan(sql, b"k");
        prop_assert_eq!(scan.fingerprint, sql::fingerprint(sql));
        prop_assert_eq!(scan.user_tag, sql::tag(sql, b"k").map_or(0, |v| sql::hash_tag(&v)));
        let found = sql::classify(sql);
        if scan.plain {
            prop_assert!(found.iter().all(|s| *s == sql::Statement::Other), "{:?}", found);
        }
        prop_assert!(sql::normalized(sql, 50).len() <= 50 + '…'.len_utf8());
        for cut in 0..sql.len() {
            sql::scan(&sql[..cut], b"k");
        }
    }

    #[test]
    fn what_stands_between_tokens_and_how_words_are_cased_does_not_count(
        tokens in prop::collection::vec(prop_oneof![
            Just("select"), Just("a"), Just("t1"), Just("from"), Just("in"), Just("values"), Just("("), Just(")"),
            Just(","), Just("="), Just("1"), Just("'x'"), Just("$1"), Just("null"), Just(";"), Just("\"Q\""),
            Just("array"), Just("["), Just("]"), Just("-"), Just("<"), Just("."),
        ], 0..25),
        between in prop::collection::vec(prop_oneof![
            Just(" "), Just("\n\t"), Just("/**/"), Just(" -- x'\n"), Just("/*a/*b*/'*/ "),
        ], 25),
        upper in prop::collection::vec(any::<bool>(), 25),
    ) {
        let plain = tokens.join(" ");
        let mut odd = String::new();
        for ((token, gap), upper) in tokens.iter().zip(&between).zip(&upper) {
            odd.push_str(gap);
            let fold = *upper && token.starts_with(|c: char| c.is_ascii_lowercase());
            odd.push_str(&if fold { token.to_uppercase() } else { (*token).to_owned() });
        }
        odd.push(';');
        prop_assert_eq!(sql::fingerprint(plain.as_bytes()), sql::fingerprint(odd.as_bytes()), "{} | {}", plain, odd);
    }

    #[test]
    fn which_literals_stand_in_a_statement_and_how_many_in_its_lists_does_not_count(
        one in prop::collection::vec("[0-9]{1,4}|-[0-9]\\.[0-9]|'[^'\\\\]{0,9}'|\\$[1-9]", 1..9),
        two in prop::collection::vec("[0-9]{1,4}|-[0-9]\\.[0-9]|'[^'\\\\]{0,9}'|\\$[1-9]", 1..9),
    ) {
        let write = |list: &[String]| {
            let first = &list[0];
            let all = list.join(", ");
            let rows: Vec<_> = list.iter().map(|v| format!("({v}, {first})")).collect();
            format!(
                "with x as (insert into t values {} returning a) select {first} from x where b in ({all}) \
                 and c = any (array[{all}]) and (d, e) in ({}) or f > {first}",
                rows.join(","), rows.join(",")
            )
        };
        let (one, two) = (write(&one), write(&two));
        prop_assert_eq!(sql::fingerprint(one.as_bytes()), sql::fingerprint(two.as_bytes()), "{} | {}", one, two);
    }

    #[test]
    fn what_a_client_writes_reads_back(name in text(), portal in text(), sql in text(), rest in any::<Vec<u8>>(), rows: i32) {
        let mut out = Vec::new();
        frontend::put_query(&mut out, &sql);
        prop_assert_eq!(frontend::query(body(&out)), Ok(&sql[..]));

        out.clear();
        frontend::put_parse(&mut out, &name, &sql, &[0, 1, 0, 0, 0, 25]);
        let parsed = frontend::parse_parse(body(&out)).unwrap();
        prop_assert_eq!((parsed.name, parsed.sql, parsed.param_types.len()), (&name[..], &sql[..], 6));
        let head = frontend::peek_parse(body(&out)).unwrap().unwrap();
        prop_assert_eq!((head.name, head.rest_at), (&name[..], name.len() + 1));

        out.clear();
        frontend::put_bind(&mut out, &portal, &name, &rest);
        let bound = frontend::bind(body(&out)).unwrap();
        prop_assert_eq!((bound.portal, bound.statement, bound.rest), (&portal[..], &name[..], &rest[..]));
        let head = frontend::peek_bind(body(&out)).unwrap().unwrap();
        prop_assert_eq!(&body(&out)[head.rest_at..], &rest[..]);
        // A part of it is never misread: it asks for more or says the same.
        for cut in 0..body(&out).len() {
            match frontend::peek_bind(&body(&out)[..cut]).unwrap() {
                Some(part) => prop_assert_eq!(part, head),
                None => prop_assert!(cut < head.rest_at),
            }
        }

        out.clear();
        frontend::put_close(&mut out, TargetKind::Portal, &portal);
        frontend::put_execute(&mut out, &portal, rows);
        frontend::put_sync(&mut out);
        let all: Vec<_> = messages(&out, MESSAGE_MAX).map(|m| m.unwrap()).collect();
        let close = frontend::parse(all[0].tag, all[0].body).unwrap();
        prop_assert_eq!(close, Frontend::Close(frontend::Target { kind: TargetKind::Portal, name: &portal }));
        let execute = frontend::parse(all[1].tag, all[1].body).unwrap();
        prop_assert_eq!(execute, Frontend::Execute(frontend::Execute { portal: &portal, max_rows: rows }));
        prop_assert_eq!(frontend::parse(all[2].tag, all[2].body), Ok(Frontend::Sync));
    }

    #[test]
    fn postgres_protocol_reads_what_we_say_as_a_server(message in "[^\0]*", detail in "[^\0]*", name in "[a-z]{1,9}", key: i32) {
        let mut out = Vec::new();
        let complaint = Complaint {
            severity: "FATAL", sqlstate: "57P03", message: &message, detail: Some(&detail), hint: None,
        };
        backend::put_error(&mut out, &complaint);
        backend::put_parameter_status(&mut out, name.as_bytes(), detail.as_bytes());
        backend::put_backend_key_data(&mut out, 7, &key.to_be_bytes());
        backend::put_row_description(&mut out, &[&name, "b"]);
        backend::put_data_row(&mut out, &[Some(&detail), None]);
        backend::put_command_complete(&mut out, "SELECT 1");
        backend::put_auth_md5(&mut out, [1, 2, 3, 4]);
        backend::put_auth_sasl(&mut out, &["SCRAM-SHA-256"]);
        backend::put_ready_for_query(&mut out, TxStatus::Failed);
        let error = backend::error_fields(body(&out)).err();
        prop_assert!(error.is_some(), "several messages are not one");

        let mut theirs = BytesMut::from(&out[..]);
        let mut next = || their_backend::Message::parse(&mut theirs).unwrap().unwrap();
        use their_backend::Message::*;
        let ErrorResponse(error) = next() else { panic!() };
        let fields: Vec<_> = error.fields()
            .map(|f| Ok((f.type_(), f.value_bytes().to_vec()))).collect().unwrap();
        prop_assert!(fields.contains(&(b'M', message.clone().into_bytes())));
        prop_assert!(fields.contains(&(b'C', b"57P03".to_vec())));
        let ParameterStatus(status) = next() else { panic!() };
        prop_assert_eq!((status.name().unwrap(), status.value().unwrap()), (&name[..], &detail[..]));
        let BackendKeyData(theirs_key) = next() else { panic!() };
        prop_assert_eq!((theirs_key.process_id(), theirs_key.secret_key()), (7, key));
        let RowDescription(row) = next() else { panic!() };
        let names: Vec<_> = row.fields().map(|f| Ok(f.name().to_owned())).collect().unwrap();
        prop_assert_eq!(names, [&name[..], "b"]);
        let DataRow(row) = next() else { panic!() };
        let ranges: Vec<_> = row.ranges().collect().unwrap();
        prop_assert_eq!(row.buffer().get(ranges[0].clone().unwrap()), Some(detail.as_bytes()));
        prop_assert_eq!(&ranges[1], &None);
        let CommandComplete(command) = next() else { panic!() };
        prop_assert_eq!(command.tag().unwrap(), "SELECT 1");
        let AuthenticationMd5Password(md5) = next() else { panic!() };
        prop_assert_eq!(md5.salt(), [1, 2, 3, 4]);
        let AuthenticationSasl(sasl) = next() else { panic!() };
        let mechanisms: Vec<_> = sasl.mechanisms().map(|m| Ok(m.to_owned())).collect().unwrap();
        prop_assert_eq!(mechanisms, ["SCRAM-SHA-256"]);
        let ReadyForQuery(ready) = next() else { panic!() };
        prop_assert_eq!(ready.status(), b'E');
    }

    #[test]
    fn we_read_what_postgres_protocol_says_as_a_client(
        name in "[^\0]{0,20}", sql in "[^\0]*", pid: i32, key: i32, types in prop::collection::vec(any::<u32>(), 0..5),
    ) {
        let mut out = BytesMut::new();
        their_frontend::startup_message([("user", "ann"), ("application_name", &name[..])], &mut out).unwrap();
        let startup::FirstPacket::Complete { startup, used } = startup::parse(&out).unwrap() else { panic!() };
        prop_assert_eq!(used, out.len());
        prop_assert_eq!(startup.param("application_name"), Some(&name[..]));

        out.clear();
        their_frontend::cancel_request(pid, key, &mut out);
        let found = startup::parse(&out).unwrap();
        let startup = startup::Startup::Cancel { pid, key: key.to_be_bytes().to_vec() };
        prop_assert_eq!(found, startup::FirstPacket::Complete { startup, used: 16 });

        out.clear();
        their_frontend::parse(&name, &sql, types.iter().copied(), &mut out).unwrap();
        let parsed = frontend::parse_parse(body(&out)).unwrap();
        prop_assert_eq!((parsed.name, parsed.sql), (name.as_bytes(), sql.as_bytes()));
        prop_assert_eq!(parsed.param_types.len(), 2 + 4 * types.len());
        let mut again = Vec::new();
        frontend::put_parse(&mut again, parsed.name, parsed.sql, parsed.param_types);
        prop_assert_eq!(&again[..], &out[..]);

        out.clear();
        their_frontend::sasl_initial_response("SCRAM-SHA-256", name.as_bytes(), &mut out).unwrap();
        let initial = frontend::sasl_initial(body(&out)).unwrap();
        prop_assert_eq!(initial.response, Some(name.as_bytes()));
        let mut again = Vec::new();
        frontend::put_sasl_initial(&mut again, "SCRAM-SHA-256", name.as_bytes());
        prop_assert_eq!(&again[..], &out[..]);
    }
}
