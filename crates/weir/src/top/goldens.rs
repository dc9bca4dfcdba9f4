//! The pictures, as agreed: every view and page at three sizes, with colour, without, and in ASCII.
//! `UPDATE_GOLDEN=1 cargo test -p weir top::goldens` rewrites them; the diff is the review.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::crossterm::event::KeyCode;
use ratatui::style::{Color, Modifier};

use super::draw;
use super::model::{Fault, Input, Model, News};
use super::scene::{ASCII, COLOUR, MONO, Scene};
use super::skin::Skin;

const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (200, 60)];

type Act = fn(&mut Scene);

/// What is looked at, and how one gets there.
const PICTURES: &[(&str, Act)] = &[
    ("overview", |_| {}),
    ("pools", |s| {
        s.types("2");
    }),
    ("clients", |s| {
        s.types("3");
    }),
    ("queries", |s| {
        s.types("4");
    }),
    ("waits", |s| {
        s.types("5");
    }),
    ("incidents", |s| {
        s.types("6");
    }),
    ("decisions", |s| {
        s.types("7");
    }),
    ("log", |s| {
        s.types("8");
    }),
    ("pool", |s| {
        s.types("2").key(KeyCode::Enter);
    }),
    ("client", |s| {
        s.types("3/psql").key(KeyCode::Enter);
        s.answer_all();
        s.key(KeyCode::Enter);
    }),
    ("query", |s| {
        s.types("4");
        s.answer_all();
        s.key(KeyCode::Enter);
    }),
    ("wait", |s| {
        s.types("5");
        s.answer_all();
        s.types("j").key(KeyCode::Enter);
    }),
    ("incident", |s| {
        s.types("6").key(KeyCode::Enter);
    }),
    ("decision", |s| {
        s.types("7").key(KeyCode::Enter);
    }),
    ("line", |s| {
        s.types("8").key(KeyCode::Enter);
    }),
    ("help", |s| {
        s.types("?");
    }),
    ("approve", |s| {
        s.types("A");
    }),
    ("acknowledge", |s| {
        s.types("alooking at it");
    }),
    ("held", |s| {
        s.types("f");
    }),
    ("stale", |s| {
        for millis in [1_000, 500, 1_000] {
            s.later(millis);
            let fault = Fault::Unreachable("Connection refused (os error 111)".to_owned());
            s.on(Input::News(News::Answer {
                doc: super::model::Doc::Pools,
                path: "/api/v1/pools".to_owned(),
                result: Err(fault),
            }));
        }
        // Nobody answers any more.
        s.wanted.clear();
    }),
];

fn scene(act: Act, skin: Skin, size: (u16, u16)) -> Scene {
    let mut scene = Scene::in_trouble(skin, size);
    act(&mut scene);
    scene.answer_all();
    scene
}

fn picture(model: &Model, (width, height): (u16, u16)) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal
        .draw(|frame| draw::draw(model, frame.buffer_mut()))
        .unwrap();
    terminal.backend().buffer().clone()
}

/// The characters, line by line.
fn text(buffer: &Buffer) -> String {
    let area = buffer.area;
    let mut out = String::new();
    for y in 0..area.height {
        let mut line = String::new();
        let mut hidden = 0;
        for x in 0..area.width {
            // The cell behind a wide character belongs to it.
            if hidden > 0 {
                hidden -= 1;
                continue;
            }
            let symbol = buffer[(x, y)].symbol();
            hidden = super::skin::width_of(symbol).saturating_sub(1);
            line.push_str(symbol);
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// The styles: for each line, columns and what they are.
fn styles(buffer: &Buffer) -> String {
    let area = buffer.area;
    let mut out = String::new();
    for y in 0..area.height {
        let named = |x: u16| {
            let cell = &buffer[(x, y)];
            let mut words = Vec::new();
            if cell.fg != Color::Reset {
                words.push(format!("{:?}", cell.fg).to_lowercase());
            }
            if cell.bg != Color::Reset {
                words.push(format!("on-{:?}", cell.bg).to_lowercase());
            }
            for (modifier, word) in [
                (Modifier::BOLD, "bold"),
                (Modifier::UNDERLINED, "underlined"),
                (Modifier::REVERSED, "reversed"),
                (Modifier::DIM, "dim"),
            ] {
                if cell.modifier.contains(modifier) {
                    words.push(word.to_owned());
                }
            }
            words.join("+")
        };
        let mut runs = Vec::new();
        let mut x = 0;
        while x < area.width {
            let style = named(x);
            let from = x;
            while x < area.width && named(x) == style {
                x += 1;
            }
            if !style.is_empty() {
                runs.push(format!("{from}-{} {style}", x - 1));
            }
        }
        if !runs.is_empty() {
            let _ = writeln!(out, "{y}: {}", runs.join(", "));
        }
    }
    out
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/top")
}

/// Compares, or rewrites. Gives the names of what differs.
fn compare(name: &str, drawn: &str, differ: &mut Vec<String>) {
    let file = folder().join(name);
    if crate::clock::environment().contains_key("UPDATE_GOLDEN") {
        std::fs::create_dir_all(folder()).unwrap();
        std::fs::write(&file, drawn).unwrap();
        return;
    }
    let agreed = std::fs::read_to_string(&file).unwrap_or_default();
    if agreed != drawn {
        differ.push(format!("{name} was agreed as\n{agreed}\nand is\n{drawn}"));
    }
}

#[test]
fn every_view_looks_as_agreed_at_every_size() {
    let mut differ = Vec::new();
    for (name, act) in PICTURES {
        for size in SIZES {
            let (width, height) = size;
            let coloured = picture(&scene(*act, COLOUR, size).model, size);
            let plain = picture(&scene(*act, MONO, size).model, size);
            assert_eq!(
                text(&coloured),
                text(&plain),
                "{name} at {width}x{height} says something by colour that it doesn't say without"
            );
            let drawn = format!(
                "{}\n# styles\n{}\n# styles without colour\n{}",
                text(&coloured),
                styles(&coloured),
                styles(&plain)
            );
            compare(&format!("{name}-{width}x{height}.txt"), &drawn, &mut differ);
            let bare = text(&picture(&scene(*act, ASCII, size).model, size));
            assert!(
                bare.is_ascii(),
                "{name} at {width}x{height} isn't ASCII:\n{bare}"
            );
            compare(
                &format!("{name}-{width}x{height}-ascii.txt"),
                &bare,
                &mut differ,
            );
        }
    }
    assert!(
        differ.is_empty(),
        "UPDATE_GOLDEN=1 rewrites them, the diff is the review:\n{}",
        differ.join("\n")
    );
}

#[test]
fn a_small_terminal_says_so_and_shows_what_matters() {
    let mut differ = Vec::new();
    for size in [(60, 15), (30, 8)] {
        let drawn = text(&picture(&scene(|_| {}, MONO, size).model, size));
        compare(
            &format!("small-{}x{}.txt", size.0, size.1),
            &drawn,
            &mut differ,
        );
        assert!(drawn.contains("INC-7 sev2 open"), "{drawn}");
        assert!(drawn.contains("is small"), "{drawn}");
        assert!(drawn.contains("app/dashboard"), "{drawn}");
    }
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}

#[test]
fn no_size_makes_it_panic() {
    for (_, act) in PICTURES {
        for size in [
            (1, 1),
            (2, 3),
            (20, 4),
            (80, 24),
            (79, 24),
            (81, 25),
            (500, 200),
        ] {
            picture(&scene(*act, ASCII, size).model, size);
        }
    }
}

#[test]
fn two_hundred_pools_are_drawn_in_a_frames_time() {
    let mut scene = Scene::new(COLOUR, (200, 60));
    scene.second(0);
    let one = super::scene::pools(100)[0].clone();
    for second in 1..200 {
        let rows: Vec<serde_json::Value> = (0..200)
            .map(|n| {
                let mut row = one.clone();
                row["database"] = format!("db{n:03}").into();
                row["at"] = super::scene::at(second).into();
                row
            })
            .collect();
        scene.now = weir_model::Instant::from_millis(second * 1_000);
        scene.on(Input::Tick);
        scene.wanted.clear();
        scene.on(Input::News(News::Answer {
            doc: super::model::Doc::Pools,
            path: "/api/v1/pools".to_owned(),
            result: Ok(rows.into()),
        }));
    }
    let (zero, _) = crate::clock::zero();
    let best = (0..20).map(|_| {
        let begun = zero.elapsed();
        picture(&scene.model, (200, 60));
        zero.elapsed() - begun
    });
    let best = best.min().unwrap();
    // Unoptimised, beside builds: a tenth of it is what people get.
    assert!(best.as_millis() < 250, "a picture took {best:?}");
}
