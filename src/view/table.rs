//! The common style of all tables.

use comfy_table::presets::{UTF8_BORDERS_ONLY, UTF8_FULL_CONDENSED};
use comfy_table::{Cell, CellAlignment, ColumnConstraint, ContentArrangement, Table, Width};

/// Narrower tables have no lines between columns.
pub(super) const BORDERLESS_WIDTH: usize = 94;

/// Columns that a table needs to break no cell. Narrower tables are shown as lines instead, because broken
/// figures are unreadable.
pub(super) fn unwrapped_width(header: &[&str], rows: &[Vec<String>]) -> usize {
    let widest = |text: &str| text.lines().map(|line| line.chars().count()).max().unwrap_or(0);
    let column = |(at, head): (usize, &&str)| {
        let cells = rows.iter().filter_map(|row| row.get(at)).map(|cell| widest(cell));
        cells.max().unwrap_or(0).max(widest(head)) + 3
    };
    header.iter().enumerate().map(column).sum::<usize>() + 1
}

/// A table of this width. The columns in `numbers` are right-aligned.
pub(super) fn new_table(width: usize, header: &[&str], numbers: &[usize]) -> Table {
    let mut table = Table::new();
    let style = if width < BORDERLESS_WIDTH { UTF8_BORDERS_ONLY } else { UTF8_FULL_CONDENSED };
    let width = u16::try_from(width).unwrap_or(u16::MAX);
    table.load_style(style).set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    table.set_header(header.iter().map(Cell::new));
    for at in numbers {
        if let Some(column) = table.column_mut(*at) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// Limits for the name column, in a narrow and in a wide table.
const MAX_NAME_WIDTHS: [usize; 2] = [40, 80];

/// Makes the first column wide enough that names are not broken.
pub(super) fn reserve_name_column(table: &mut Table, longest: usize, is_wide: bool) {
    let min_width = longest.min(MAX_NAME_WIDTHS[usize::from(is_wide)]) + 2;
    if let Some(column) = table.column_mut(0) {
        let min_width = Width::Fixed(u16::try_from(min_width).unwrap_or(0));
        column.set_constraint(ColumnConstraint::LowerBoundary(min_width));
    }
}
