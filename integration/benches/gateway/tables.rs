//! Tables as Markdown, and the goals beside what was measured.

use std::fmt::Write as _;

/// A table whose first column is text and whose others are figures.
pub struct Table {
    columns: usize,
    text: String,
}

impl Table {
    /// An empty one with a headline.
    pub fn new(title: &str, columns: &[&str]) -> Self {
        let mut text = format!("\n**{title}**\n\n| {} |\n| --- |", columns.join(" | "));
        text.push_str(&" ---: |".repeat(columns.len() - 1));
        text.push('\n');
        Self { columns: columns.len(), text }
    }

    /// Adds a row; missing figures are left empty.
    pub fn row(&mut self, name: &str, figures: &[Option<String>]) {
        assert_eq!(figures.len() + 1, self.columns, "a figure for each column");
        let _ = write!(self.text, "| {name} |");
        for figure in figures {
            let _ = write!(self.text, " {} |", figure.as_deref().unwrap_or_default());
        }
        self.text.push('\n');
    }

    /// Prints it.
    pub fn print(&self) {
        println!("{}", self.text.trim_end());
    }
}

/// A figure with two digits behind the point.
#[allow(clippy::unnecessary_wraps)]
pub fn fine(value: f64) -> Option<String> {
    Some(format!("{value:.2}"))
}

/// A figure with one digit behind the point.
#[allow(clippy::unnecessary_wraps)]
pub fn coarse(value: f64) -> Option<String> {
    Some(format!("{value:.1}"))
}

/// The goals that were measured in this run.
#[derive(Default)]
pub struct Goals {
    rows: Vec<(String, f64, f64)>,
}

impl Goals {
    /// `what` was measured as `value` and is to be at most `limit`.
    pub fn at_most(&mut self, what: impl Into<String>, limit: f64, value: f64) {
        self.rows.push((what.into(), limit, value));
    }

    /// Prints them.
    pub fn print(&self) {
        let mut table = Table::new("Goals", &["what", "at most", "measured", "met"]);
        for (what, limit, value) in &self.rows {
            let met = if value <= limit { "yes" } else { "**no**" };
            table.row(what, &[fine(*limit), fine(*value), Some(met.to_owned())]);
        }
        table.print();
    }
}
