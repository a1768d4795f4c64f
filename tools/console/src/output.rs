//! What goes to stdout: tables for people, JSON and YAML for programs.

use std::io::{self, IsTerminal as _, Write as _};

use clap::{Args, ValueEnum};
use comfy_table::{Table, presets};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use mezite_api::{escape, escape_json, is_deceptive};
use serde::Serialize;

use crate::error::{CommandError, Kind};

/// In which form the output is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A table for people.
    Text,
    /// JSON: lists are arrays.
    Json,
    /// YAML.
    Yaml,
}

/// The option that every list and get has.
#[derive(Debug, Clone, Copy, Args)]
pub struct Output {
    /// The form of the output.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

impl Output {
    /// Writes a list: a table with these headings, or an array.
    pub fn list<T: Serialize>(
        self,
        items: &[T],
        headings: &[&str],
        row: impl Fn(&T) -> Vec<String>,
    ) -> Result<(), CommandError> {
        match self.format {
            Format::Text => print(&table(headings, items.iter().map(row))),
            _ => self.document(&items),
        }
    }

    /// Writes one thing: lines of name and value, or an object.
    pub fn one<T: Serialize>(
        self,
        item: &T,
        lines: impl FnOnce(&T) -> Vec<(&'static str, String)>,
    ) -> Result<(), CommandError> {
        match self.format {
            Format::Text => {
                let rows = lines(item).into_iter().map(|(name, value)| vec![format!("{name}:"), value]);
                print(&plain_table(rows))
            }
            _ => self.document(item),
        }
    }

    /// Writes values as a stream of documents, each behind its `---`.
    pub fn stream<T: Serialize>(self, values: &[T]) -> Result<(), CommandError> {
        for value in values {
            print("---\n")?;
            self.document(value)?;
        }
        Ok(())
    }

    /// Writes a value for programs.
    pub fn document<T: Serialize>(self, value: &T) -> Result<(), CommandError> {
        print(&self.text(value)?)
    }

    /// A value for programs. Nothing in it is taken for something else by a terminal or an eye.
    pub fn text<T: Serialize>(self, value: &T) -> Result<String, CommandError> {
        let unwritable = |error: String| CommandError::new(Kind::Failed, error);
        if self.format == Format::Yaml {
            let yaml = serde_saphyr::to_string(value).map_err(|error| unwritable(error.to_string()))?;
            if !yaml.contains(|character| is_deceptive(character) && character != '\n') {
                return Ok(yaml);
            }
            // JSON is YAML, and can spell out every character.
        }
        let json = serde_json::to_string_pretty(value).map_err(|error| unwritable(error.to_string()))?;
        Ok(escape_json(&json) + "\n")
    }
}

/// Writes to stdout, at once.
pub fn print(text: &str) -> Result<(), CommandError> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    Ok(stdout.flush()?)
}

/// Rows under headings, which stand out where stdout is a terminal.
pub fn table(headings: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let heading = headings.iter().map(|heading| (*heading).to_owned()).collect();
    let text = plain_table(std::iter::once(heading).chain(rows));
    if !io::stdout().is_terminal() || std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) {
        return text;
    }
    match text.split_once('\n') {
        Some((heading, rest)) => format!("\x1b[1m{heading}\x1b[0m\n{rest}"),
        None => text,
    }
}

/// Rows in columns, one line each, whatever they hold.
fn plain_table(rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.add_rows(rows.map(|row| row.iter().map(escape).collect::<Vec<_>>()));
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

/// Names and values in two columns.
pub fn columns(lines: Vec<(&'static str, String)>) -> String {
    plain_table(lines.into_iter().map(|(name, value)| vec![name.to_owned(), value]))
}

/// A moment as people read it: local, with its zone.
pub fn local(moment: Timestamp) -> String {
    moment.to_zoned_datetime(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S %Z").to_string()
}

/// A moment that may not have come.
pub fn local_or_dash(moment: Option<Timestamp>) -> String {
    moment.map_or_else(dash, local)
}

/// What stands where there is nothing.
pub fn dash() -> String {
    "-".to_owned()
}

/// Values with commas between them, or a dash.
pub fn joined<T: ToString>(values: &[T]) -> String {
    let values: Vec<String> = values.iter().map(T::to_string).collect();
    if values.is_empty() { dash() } else { values.join(",") }
}

/// A size as people read it (IEC).
pub fn size(bytes: u64) -> String {
    let units = [("GiB", 30), ("MiB", 20), ("KiB", 10)];
    match units.into_iter().find(|(_, shift)| bytes >> shift > 0) {
        Some((unit, shift)) => {
            // Tenths, rounded down, without a float in between.
            let tenths = (u128::from(bytes) * 10) >> shift;
            format!("{}.{} {unit}", tenths / 10, tenths % 10)
        }
        None => format!("{bytes} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_for_people() {
        for (bytes, shown) in
            [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (5 << 20, "5.0 MiB"), (3 << 30, "3.0 GiB")]
        {
            assert_eq!(size(bytes), shown);
        }
    }

    #[test]
    fn one_row_is_one_line() {
        let rows = [
            vec!["a\nb".to_owned(), "\u{1b}[31mred".to_owned()],
            vec!["c".to_owned(), "d\u{202e}e".to_owned()],
        ];
        let text = table(&["X", "Y"], rows.into_iter());
        assert_eq!(text.lines().count(), 3);
        assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text}");
    }

    #[test]
    fn columns_are_aligned_and_lines_end_where_they_end() {
        let rows = [vec!["long name".to_owned(), "x".to_owned()], vec!["n".to_owned(), "y".to_owned()]];
        assert_eq!(table(&["NAME", "V"], rows.into_iter()), "NAME       V\nlong name  x\nn          y\n");
    }

    #[test]
    fn yaml_keeps_text_text() {
        let given = serde_json::json!([{
            "a": "no", "b": "1e3", "c": "- x: y", "d": "# no comment", "e": "", "f": "null", "g": "a\nb", "h": "~",
            "i": "'", "j": "\u{1b}[0m", "k": null, "l": 7, "m": true, "n": [], "o": {}, "p": "0x1f", "q": " blank ",
            "r": "@x", "s": "*a", "t": "&a", "u": "12:30", "v": "2026-01-01"
        }]);
        let yaml = serde_saphyr::to_string(&given).unwrap();
        let back: serde_json::Value = serde_saphyr::from_str(&yaml).unwrap();
        assert_eq!(back, given, "{yaml}");
    }
}
