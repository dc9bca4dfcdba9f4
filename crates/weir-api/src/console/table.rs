//! Rows of text on their way to a console client.

use weir_wire::backend;

/// Columns and rows.
#[derive(Debug)]
pub(super) struct Table<const N: usize> {
    columns: [&'static str; N],
    rows: Vec<[Option<String>; N]>,
}

impl<const N: usize> Table<N> {
    pub(super) fn new(columns: [&'static str; N]) -> Self {
        Self {
            columns,
            rows: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, row: [Option<String>; N]) {
        self.rows.push(row);
    }

    /// RowDescription, DataRows, CommandComplete.
    fn encode(&self, tag: &str) -> Vec<u8> {
        let mut out = Vec::with_capacity(64 * (self.rows.len() + 1) * N / 8 + 256);
        backend::put_row_description(&mut out, &self.columns);
        for row in &self.rows {
            backend::put_data_row(&mut out, row);
        }
        backend::put_command_complete(&mut out, tag);
        out
    }
}

/// A table of whatever width.
pub(super) trait Rows {
    fn bytes(&self, tag: &str) -> Vec<u8>;
}

impl<const N: usize> Rows for Table<N> {
    fn bytes(&self, tag: &str) -> Vec<u8> {
        self.encode(tag)
    }
}

/// A value that is there.
pub(super) fn some(value: impl ToString) -> Option<String> {
    Some(value.to_string())
}
