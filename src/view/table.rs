//! One look for all tables.

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table};

/// A table of that width whose columns named in `numbers` stand to the right.
pub(super) fn table(width: usize, header: &[&str], numbers: &[usize]) -> Table {
    let mut table = Table::new();
    let width = u16::try_from(width).unwrap_or(u16::MAX);
    table
        .load_style(UTF8_FULL_CONDENSED)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(width);
    table.set_header(header.iter().map(Cell::new));
    for at in numbers {
        if let Some(column) = table.column_mut(*at) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}
