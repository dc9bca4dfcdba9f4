//! A table: rows that can be filtered, sorted and chosen, on any width.
//!
//! # What always holds
//! - The chosen row is known by its id, so it stays chosen when rows move.
//! - Columns that don't fit are left out, the least needed first; the first is always there.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::skin::{Skin, Tone, width_of};

#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    pub(crate) title: &'static str,
    /// Zero: takes what is left.
    pub(crate) width: usize,
    pub(crate) right: bool,
    /// Columns with higher ranks go first where it is narrow.
    pub(crate) rank: u8,
}

/// Text at the left, `width` columns.
pub(crate) const fn left(title: &'static str, width: usize, rank: u8) -> Column {
    Column {
        title,
        width,
        right: false,
        rank,
    }
}

/// A number at the right.
pub(crate) const fn right(title: &'static str, width: usize, rank: u8) -> Column {
    Column {
        title,
        width,
        right: true,
        rank,
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Cell {
    pub(crate) text: String,
    pub(crate) tone: Tone,
    /// By what it sorts, where that isn't its text.
    pub(crate) weight: Option<f64>,
}

impl Cell {
    pub(crate) fn tone(self, tone: Tone) -> Self {
        Self { tone, ..self }
    }
}

pub(crate) fn words(text: impl Into<String>) -> Cell {
    Cell {
        text: text.into(),
        ..Cell::default()
    }
}

pub(crate) fn weighed(text: impl Into<String>, weight: f64) -> Cell {
    Cell {
        text: text.into(),
        weight: Some(weight),
        ..Cell::default()
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Row {
    /// What Enter opens.
    pub(crate) id: String,
    pub(crate) cells: Vec<Cell>,
}

/// Which way a table is sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sort {
    /// `None`: as it came.
    pub(crate) column: Option<usize>,
    /// From small to large, or from A to Z.
    pub(crate) rising: bool,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Grid {
    pub(crate) columns: Vec<Column>,
    pub(crate) rows: Vec<Row>,
    /// Said where there is no row.
    pub(crate) empty: String,
    /// A tree or a diary: its order means something, so it isn't sorted.
    pub(crate) ordered: bool,
}

impl Grid {
    /// Only rows that have this text in a cell, whatever its case.
    pub(crate) fn filter(&mut self, text: &str) {
        let wanted = text.trim().to_lowercase();
        if wanted.is_empty() {
            return;
        }
        let before = self.rows.len();
        self.rows.retain(|row| {
            let mut cells = row.cells.iter();
            cells.any(|cell| cell.text.to_lowercase().contains(&wanted))
        });
        if self.rows.is_empty() && before > 0 {
            self.empty =
                format!("none of {before} rows has \"{text}\" in it; Esc takes the filter away");
        }
    }

    pub(crate) fn sort(&mut self, sort: Sort) {
        let Some(column) = sort.column.filter(|_| !self.ordered) else {
            return;
        };
        let none = Cell::default();
        self.rows.sort_by(|a, b| {
            let a = a.cells.get(column).unwrap_or(&none);
            let b = b.cells.get(column).unwrap_or(&none);
            let order = match (a.weight, b.weight) {
                (Some(a), Some(b)) => a.total_cmp(&b),
                (Some(_), None) => std::cmp::Ordering::Greater,
                (None, Some(_)) => std::cmp::Ordering::Less,
                (None, None) => a.text.cmp(&b.text),
            };
            if sort.rising { order } else { order.reverse() }
        });
    }

    /// Where the chosen row stands; the first where it has gone.
    pub(crate) fn index(&self, chosen: Option<&str>) -> usize {
        let found = chosen.and_then(|id| self.rows.iter().position(|row| row.id == id));
        found.unwrap_or(0)
    }

    /// The columns that fit, with their widths.
    fn layout(&self, width: usize) -> Vec<(usize, usize)> {
        let mut kept: Vec<usize> = (0..self.columns.len()).collect();
        // A column that takes what is left wants at least this much.
        let least = |column: &Column| if column.width == 0 { 16 } else { column.width };
        loop {
            let needed: usize = kept.iter().map(|i| least(&self.columns[*i]) + 1).sum();
            if needed <= width + 1 || kept.len() <= 1 {
                break;
            }
            let last = kept
                .iter()
                .skip(1)
                .copied()
                .max_by_key(|i| (self.columns[*i].rank, *i));
            kept.retain(|i| Some(*i) != last);
        }
        let fixed: usize = kept.iter().map(|i| self.columns[*i].width + 1).sum();
        let rest = (width + 1).saturating_sub(fixed);
        kept.into_iter()
            .map(|i| match self.columns[i].width {
                0 => (i, rest),
                fixed => (i, fixed.min(width)),
            })
            .collect()
    }

    /// Draws heading and rows; `chosen` is kept in sight.
    pub(crate) fn draw(
        &self,
        buffer: &mut Buffer,
        area: Rect,
        skin: Skin,
        sort: Sort,
        chosen: Option<&str>,
    ) {
        if area.height == 0 || area.width == 0 {
            return;
        }
        let layout = self.layout(usize::from(area.width));
        let mut x = area.x;
        for (index, width) in &layout {
            let column = &self.columns[*index];
            let mut title = skin.text(column.title);
            if sort.column == Some(*index) && !self.ordered {
                title.push(skin.sorted(!sort.rising));
            }
            let title = pad(&skin.fit(&title, *width), *width, column.right);
            buffer.set_stringn(x, area.y, &title, *width, skin.style(Tone::Title));
            x += u16::try_from(width + 1).unwrap_or(u16::MAX);
        }
        if self.rows.is_empty() {
            let says = super::skin::wrap(&skin.text(&self.empty), usize::from(area.width));
            for (y, line) in (area.y + 1..area.bottom()).zip(says) {
                buffer.set_stringn(
                    area.x,
                    y,
                    line,
                    usize::from(area.width),
                    skin.style(Tone::Dim),
                );
            }
            return;
        }
        let height = usize::from(area.height - 1);
        let chosen_at = self.index(chosen);
        let first = chosen_at
            .saturating_sub(height / 2)
            .min(self.rows.len().saturating_sub(height));
        let shown = self.rows.iter().enumerate().skip(first).take(height);
        for (y, (index, row)) in (area.y + 1..area.bottom()).zip(shown) {
            let is_chosen = index == chosen_at;
            let mut x = area.x;
            for (column, width) in &layout {
                let Some(cell) = row.cells.get(*column) else {
                    continue;
                };
                let text = pad(
                    &skin.fit(&cell.text, *width),
                    *width,
                    self.columns[*column].right,
                );
                buffer.set_stringn(x, y, &text, *width, skin.style(cell.tone));
                x += u16::try_from(width + 1).unwrap_or(u16::MAX);
            }
            if is_chosen {
                buffer.set_style(
                    Rect::new(area.x, y, area.width, 1),
                    skin.style(Tone::Selected),
                );
            }
        }
    }
}

fn pad(text: &str, width: usize, right: bool) -> String {
    let missing = " ".repeat(width.saturating_sub(width_of(text)));
    match right {
        true => missing + text,
        false => text.to_owned() + &missing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid() -> Grid {
        let row = |name: &str, n: f64| Row {
            id: name.to_owned(),
            cells: vec![words(name), weighed(format!("{n}"), n), words("words")],
        };
        Grid {
            columns: vec![left("Name", 6, 0), right("N", 4, 1), left("Why", 0, 2)],
            rows: vec![row("ann", 9.0), row("bob", 10.0), row("Cy", 2.0)],
            ..Grid::default()
        }
    }

    fn names(grid: &Grid) -> Vec<&str> {
        grid.rows.iter().map(|row| row.id.as_str()).collect()
    }

    #[test]
    fn numbers_sort_as_numbers_and_both_ways() {
        let mut grid = grid();
        let column = Some(1);
        grid.sort(Sort {
            column,
            rising: false,
        });
        assert_eq!(names(&grid), ["bob", "ann", "Cy"]);
        grid.sort(Sort {
            column,
            rising: true,
        });
        assert_eq!(names(&grid), ["Cy", "ann", "bob"]);
    }

    #[test]
    fn what_has_an_order_of_its_own_keeps_it() {
        let mut grid = grid();
        grid.ordered = true;
        grid.sort(Sort {
            column: Some(1),
            rising: true,
        });
        assert_eq!(names(&grid), ["ann", "bob", "Cy"]);
    }

    #[test]
    fn a_filter_finds_whatever_its_case_and_says_when_nothing_is_left() {
        let mut found = grid();
        found.filter("CY");
        assert_eq!(names(&found), ["Cy"]);
        let mut none = grid();
        none.filter("zed");
        assert!(none.rows.is_empty());
        assert!(none.empty.contains("none of 3 rows"), "{}", none.empty);
    }

    #[test]
    fn narrow_tables_lose_the_least_needed_columns_first() {
        let grid = grid();
        let columns = |width| {
            let layout = grid.layout(width);
            layout.into_iter().map(|(i, _)| i).collect::<Vec<_>>()
        };
        assert_eq!(columns(80), [0, 1, 2]);
        assert_eq!(columns(20), [0, 1]);
        assert_eq!(columns(4), [0]);
    }

    #[test]
    fn the_chosen_row_is_in_sight_among_a_thousand() {
        let mut grid = grid();
        grid.rows = (0..1_000)
            .map(|n| Row {
                id: n.to_string(),
                cells: vec![words(n.to_string())],
            })
            .collect();
        let area = Rect::new(0, 0, 20, 8);
        let skin = Skin {
            colour: false,
            unicode: false,
        };
        for chosen in ["0", "500", "999"] {
            let mut buffer = Buffer::empty(area);
            grid.draw(&mut buffer, area, skin, Sort::default(), Some(chosen));
            let lines: Vec<String> = (1..8)
                .map(|y| (0..6).map(|x| buffer[(x, y)].symbol()).collect::<String>())
                .collect();
            let found = lines.iter().any(|line| line.trim() == chosen);
            assert!(found, "{chosen}: {lines:?}");
        }
    }
}
