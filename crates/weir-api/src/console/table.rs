//! Rows of text on their way to a console client.

use weir_wire::backend::{self, ColumnType};

/// A column: its name and type. Exporters read numbers by type, so the types are PgBouncer's.
pub(super) type Column = (&'static str, ColumnType);

/// A value; `None` is NULL.
pub(super) type Value = Option<String>;

/// Columns and rows.
#[derive(Debug)]
pub(super) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Value>>,
}

impl Table {
    pub(super) fn new(columns: &[Column]) -> Self {
        Self {
            columns: columns.to_vec(),
            rows: Vec::new(),
        }
    }

    /// A row of as many values as there are columns; a shorter one is filled up with NULL, so that
    /// the client never reads a message that contradicts itself.
    pub(super) fn push(&mut self, row: impl Into<Vec<Value>>) {
        let mut row = row.into();
        debug_assert_eq!(row.len(), self.columns.len());
        row.resize(self.columns.len(), None);
        self.rows.push(row);
    }

    /// How many rows.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// RowDescription, DataRows, CommandComplete.
    pub(super) fn bytes(&self, tag: &str) -> Vec<u8> {
        let cells = (self.rows.len() + 1) * self.columns.len();
        let mut out = Vec::with_capacity(8 * cells + 256);
        backend::put_typed_row_description(&mut out, &self.columns);
        for row in &self.rows {
            backend::put_data_row(&mut out, row);
        }
        backend::put_command_complete(&mut out, tag);
        out
    }
}

/// A value that is there.
pub(super) fn some(value: impl ToString) -> Value {
    Some(value.to_string())
}
