//! One look for all tables.

use comfy_table::presets::{UTF8_BORDERS_ONLY, UTF8_FULL_CONDENSED};
use comfy_table::{Cell, CellAlignment, ColumnConstraint, ContentArrangement, Table, Width};

/// Below this width the lines between columns are better spent on figures.
pub(super) const BORDERLESS_WIDTH: usize = 94;

/// How many columns a table takes in which nothing is broken. One that has less room is better told in lines: a figure that is
/// broken is none.
pub(super) fn unwrapped_width(header: &[&str], rows: &[Vec<String>]) -> usize {
    let widest = |text: &str| text.lines().map(|line| line.chars().count()).max().unwrap_or(0);
    let column = |(at, head): (usize, &&str)| {
        let cells = rows.iter().filter_map(|row| row.get(at)).map(|cell| widest(cell));
        cells.max().unwrap_or(0).max(widest(head)) + 3
    };
    header.iter().enumerate().map(column).sum::<usize>() + 1
}

/// A table of that width whose columns named in `numbers` stand to the right.
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

/// No name is given more room than this, where the table is narrow and where it is wide.
const MAX_NAME_WIDTHS: [usize; 2] = [40, 80];

/// Gives the first column the room that its names need: a name broken in the middle is no name.
pub(super) fn reserve_name_column(table: &mut Table, longest: usize, is_wide: bool) {
    let least = longest.min(MAX_NAME_WIDTHS[usize::from(is_wide)]) + 2;
    if let Some(column) = table.column_mut(0) {
        let least = Width::Fixed(u16::try_from(least).unwrap_or(0));
        column.set_constraint(ColumnConstraint::LowerBoundary(least));
    }
}
