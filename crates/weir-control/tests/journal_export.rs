//! A journal out of one Weir and into another: the same bytes, the same incident; a changed one is
//! refused with line and fault.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

mod report_support;

use proptest::prelude::*;
use weir_control::incident::Incident;
use weir_control::incident::entry::{By, Entry, IncidentId, Said};
use weir_control::incident::export::{self, ReadFault};
use weir_control::record::store::{Imported, Journal, Store};

fn stored(store: &Store, entries: &[Entry]) {
    for entry in entries {
        // In memory, which it says.
        let _ = store.append(entry);
    }
    assert_eq!(store.incident(entries[0].incident).len(), entries.len());
}

fn out_of(store: &Store, id: u64) -> String {
    export::write(&journal(store, id))
}

#[tokio::main(flavor = "current_thread")]
async fn journal(store: &Store, id: u64) -> Journal {
    store.journal(IncidentId(id)).await.unwrap().unwrap()
}

fn into(store: &Store, document: &str) -> Imported {
    store.import_now(export::read(document).unwrap().0).unwrap()
}

fn note(incident: u64, seq: u32, says: &str) -> Entry {
    Entry {
        incident: IncidentId(incident),
        seq,
        at: report_support::at(i64::from(seq) * 1_000),
        by: By::Person("ann".to_owned()),
        said: Said::Action {
            says: says.to_owned(),
            evidence: vec![],
        },
    }
}

/// Another incident under the same number.
fn opened(incident: u64, ms: i64) -> Entry {
    Entry {
        incident: IncidentId(incident),
        at: report_support::at(ms),
        ..report_support::sparse().remove(0)
    }
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~]{0,40}",
        "\\PC{0,40}",
        Just("\u{0}\"\\\n{},".to_owned())
    ]
}

/// A told story, cut somewhere, with people's words in between.
fn entries() -> impl Strategy<Value = Vec<Entry>> {
    let stories = proptest::sample::select(vec![
        report_support::pool_undersized(),
        report_support::idle_in_transaction(),
        report_support::server_down(),
        report_support::sparse(),
    ]);
    let words = proptest::collection::vec((text(), any::<i64>(), 0usize..30), 0..8);
    (stories, 1usize..30, words, 1u64..2_000).prop_map(|(mut entries, cut, words, id)| {
        entries.truncate(cut);
        for (says, at, place) in words {
            let mut entry = note(1, 1, &says);
            entry.at = weir_model::Wall::from_micros(at);
            entry.by = match place % 3 {
                0 => By::Weir,
                1 => By::Person(says),
                _ => By::System(says),
            };
            entries.insert(1 + place % entries.len(), entry);
        }
        for (seq, entry) in (1..).zip(&mut entries) {
            entry.seq = seq;
            entry.incident = IncidentId(id);
        }
        entries
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn export_import_export_is_the_same_bytes_and_the_same_incident(entries in entries()) {
        let id = entries[0].incident.0;
        let here = Store::in_memory();
        stored(&here, &entries);
        let document = out_of(&here, id);
        let (_, incident) = export::read(&document).unwrap();
        let of_store = Incident::replay(&here.incident(IncidentId(id))).unwrap();
        prop_assert_eq!(&incident, &of_store);

        let there = Store::in_memory();
        prop_assert_eq!(into(&there, &document), Imported::Kept(IncidentId(id)));
        prop_assert_eq!(out_of(&there, id), document.clone());
        prop_assert_eq!(Incident::replay(&there.incident(IncidentId(id))).unwrap(), of_store);
        let again = Imported::Already { id: IncidentId(id), more_here: 0 };
        prop_assert_eq!(into(&there, &document), again);

        // Where its number is taken, it is the same incident under another one.
        let taken = Store::in_memory();
        stored(&taken, &[opened(id, -77_000)]);
        let to = IncidentId(id + 1);
        let renumbered = Imported::Renumbered { from: IncidentId(id), to };
        prop_assert_eq!(into(&taken, &document), renumbered);
        let mut same = Incident::replay(&taken.incident(to)).unwrap();
        same.id = IncidentId(id);
        prop_assert_eq!(same, Incident::replay(&there.incident(IncidentId(id))).unwrap());
        // And is recognised there, and on the way back.
        prop_assert_eq!(into(&taken, &document), Imported::Already { id: to, more_here: 0 });
        let back = out_of(&taken, to.0);
        prop_assert_eq!(into(&there, &back), again);
    }
}

#[test]
fn any_flipped_byte_of_a_document_is_refused_or_changes_nothing() {
    let store = Store::in_memory();
    let entries = report_support::pool_undersized();
    stored(&store, &entries);
    let document = out_of(&store, entries[0].incident.0);
    let (journal, _) = export::read(&document).unwrap();
    let (mut refused, mut same) = (0, 0);
    for offset in (0..document.len()).filter(|offset| *offset < 2_000 || offset % 13 == 0) {
        let mut bytes = document.clone().into_bytes();
        bytes[offset] ^= 1 << (offset % 8);
        let read = String::from_utf8(bytes)
            .ok()
            .map(|text| export::read(&text));
        match read {
            None | Some(Err(_)) => refused += 1,
            // A capital among hexadecimal digits, a blank for a line's end.
            Some(Ok((found, _))) => {
                assert_eq!(found, journal, "byte {offset}");
                same += 1;
            }
        }
    }
    eprintln!(
        "of {} flips in {} bytes {refused} were refused",
        refused + same,
        document.len()
    );
    assert!(refused > 20 * same, "{refused} {same}");
}

#[test]
fn a_changed_document_is_refused_with_line_and_fault() {
    let store = Store::in_memory();
    let mut entries = report_support::sparse();
    entries.extend((2..=5).map(|seq| note(1, seq, &format!("word {seq}"))));
    stored(&store, &entries);
    let document = out_of(&store, 1);
    let lines: Vec<&str> = document.lines().collect();
    let joined = |lines: &[&str]| lines.join("\n");
    let fault = |text: &str| export::read(text).unwrap_err().to_string();

    let edited = document.replace("word 3", "word 9");
    let says = fault(&edited);
    assert!(
        says.starts_with("line 4: entry 3 was changed: its hash says "),
        "{says}"
    );
    assert!(says.ends_with("entries 1 to 2 can be trusted"), "{says}");

    let mut without = lines.clone();
    without.remove(3);
    assert_eq!(
        fault(&joined(&without)),
        "line 4: expected entry 3 of INC-1, found entry 4 of INC-1"
    );
    let mut swapped = lines.clone();
    swapped.swap(2, 3);
    assert!(fault(&joined(&swapped)).starts_with("line 3: expected entry 2"));
    assert_eq!(
        fault(&joined(&lines[..5])),
        "line 1: the header tells of 5 entries, the document has 4"
    );
    let shorter = joined(&lines[..5]).replace("\"entries\":5", "\"entries\":4");
    assert!(fault(&shorter).starts_with("line 1: the header's head is "));
    assert!(matches!(export::read(" \n"), Err(ReadFault::Empty)));
    for (from, to) in [
        ("weir.journal/1", "weir.journal/2"),
        ("INC-1\"", "INC-0\""),
        ("INC-1\"", "INC-18446744073709551615\""),
        ("INC-1\"", "one\""),
    ] {
        let says = fault(&document.replacen(from, to, 1));
        assert!(
            says.starts_with("line 1: no header of a journal ("),
            "{says}"
        );
    }
    assert!(
        fault(&document.replace("\"entry\":{", "\"entries\":{"))
            .starts_with("line 2: not an entry")
    );

    // Proven entries from which nothing follows.
    let notes: Vec<Entry> = (1..=2).map(|seq| note(1, seq, "x")).collect();
    let document = export::write(&export::of_entries(&notes).unwrap());
    assert!(matches!(export::read(&document), Err(ReadFault::Replay(_))));
}

#[test]
fn a_beginning_and_a_continuation_are_recognised() {
    let store = Store::in_memory();
    stored(&store, &report_support::sparse());
    let early = out_of(&store, 1);
    stored_more(&store, 2, 4);
    let late = out_of(&store, 1);

    let other = Store::in_memory();
    assert_eq!(into(&other, &early), Imported::Kept(IncidentId(1)));
    let added = Imported::Continued {
        id: IncidentId(1),
        added: 3,
    };
    assert_eq!(into(&other, &late), added);
    assert_eq!(out_of(&other, 1), late);
    let known = Imported::Already {
        id: IncidentId(1),
        more_here: 3,
    };
    assert_eq!(into(&other, &early), known);
    assert_eq!(out_of(&other, 1), late);

    // Two that went on differently are two incidents.
    let _ = store.append(&note(1, 5, "here"));
    let _ = other.append(&note(1, 5, "there"));
    assert_eq!(
        into(&other, &out_of(&store, 1)),
        Imported::Renumbered {
            from: IncidentId(1),
            to: IncidentId(2)
        }
    );
}

fn stored_more(store: &Store, from: u32, to: u32) {
    for seq in from..=to {
        let _ = store.append(&note(1, seq, "more"));
    }
}

#[test]
fn kinds_of_entries_of_a_newer_weir_come_through_whole_also_under_a_new_number() {
    let store = Store::in_memory();
    stored(&store, &report_support::sparse());
    let first = out_of(&store, 1);
    let first = first.lines().nth(1).unwrap();
    let first = first
        .split_once("\"entry\":")
        .unwrap()
        .1
        .trim_end_matches('}');
    let newer = r#"{"incident":1,"seq":2,"at":1795442331200000,"by":"weir","entry":"of_next_year","depth":[1.10,{"a":null}]}"#;
    let texts = [format!("{first}}}"), newer.to_owned()];
    let mut prev = weir_control::record::store::chain::Hash::START;
    let mut lines = String::new();
    for (seq, json) in (1..).zip(&texts) {
        let entry: Entry = serde_json::from_str(json).unwrap();
        prev = weir_control::record::store::chain::link(&prev, 1, seq, entry.at.as_micros(), json);
        lines.push_str(&format!("{{\"hash\":\"{prev}\",\"entry\":{json}}}\n"));
    }
    let document = format!(
        "{{\"schema\":\"weir.journal/1\",\"id\":\"INC-1\",\"entries\":2,\"head\":\"{prev}\"}}\n{lines}"
    );
    let other = Store::in_memory();
    stored(&other, &[opened(1, -5_000)]);
    let renumbered = into(&other, &document);
    assert_eq!(renumbered.id(), IncidentId(2));
    let again = out_of(&other, 2);
    assert!(
        again.contains(&newer.replace("\"incident\":1,", "\"incident\":2,")),
        "{again}"
    );
}

/// The hash is what decision 0051 says it is: whoever doubts us can compute it.
#[test]
fn the_hash_is_the_documented_one() {
    use weir_control::record::store::chain::{Hash, link};
    // python3 -c 'import hashlib,struct;j=b"{}";print(hashlib.sha256(bytes(32)+struct.pack(">QIqQ",7,1,1700000000000000,len(j))+j).hexdigest())'
    let hash = link(&Hash::START, 7, 1, 1_700_000_000_000_000, "{}");
    assert_eq!(
        hash.to_string(),
        "2b565cade153a889b4097f13f9ddbe239a3bc069724039412155c3484b87e51c"
    );
}
