//! Columns of words under one another.

use crate::report::style::{Label, Palette};
use crate::report::text::{clean_line, columns, pad};

/// Lays rows out in columns two spaces apart, with headings where there are any, each line after `indent` spaces.
pub fn table(headings: &[&str], rows: &[Vec<String>], indent: usize, palette: Palette) -> String {
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|cell| clean_line(cell)).collect()).collect();
    let wide = rows.iter().map(Vec::len).max().unwrap_or(0).max(headings.len());
    let widths: Vec<usize> = (0..wide)
        .map(|at| {
            let cells = rows.iter().filter_map(|row| row.get(at)).map(|cell| columns(cell));
            cells.chain(headings.get(at).map(|heading| columns(heading))).max().unwrap_or(0)
        })
        .collect();
    let line = |cells: &[String]| {
        let padded: Vec<String> = cells.iter().zip(&widths).map(|(cell, width)| pad(cell, *width)).collect();
        format!("{}{}", " ".repeat(indent), padded.join("  ")).trim_end().to_owned()
    };
    let mut out = String::new();
    if !headings.is_empty() && !rows.is_empty() {
        let headings: Vec<String> = headings.iter().map(|heading| (*heading).to_owned()).collect();
        out.push_str(&palette.paint(Label::Faint, &line(&headings)));
        out.push('\n');
    }
    for row in &rows {
        out.push_str(&line(row));
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_under_one_another() {
        let rows = [["db", "lhins-1", "1.2.3.4"], ["web[10]", "東京", ""]].map(|row| row.map(str::to_owned).to_vec());
        insta::assert_snapshot!(table(&["ADDRESS", "ID"], &rows, 2, Palette::plain()), @"
          ADDRESS  ID
          db       lhins-1  1.2.3.4
          web[10]  東京
        ");
    }
}
