//! Files of documents: all of them are read and checked before anything is done with one.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use mezite_access::yaml::{self, YamlError};
use mezite_api::role::MAX_YAML_BYTES;
use mezite_console::{CommandError, files};
use serde::Deserialize;

use super::{Declared, Kind};

/// Longest file, in bytes; each document in it may have [`MAX_YAML_BYTES`].
const FILE_MAX: u64 = 64 * 1024 * 1024;

/// A document, and where it was found.
pub(crate) struct Found {
    /// Its file.
    pub(crate) file: PathBuf,
    /// The line in which it begins.
    pub(crate) line: u64,
    /// The document.
    pub(crate) document: Box<dyn Declared>,
}

/// The documents of these files; `-` is stdin.
pub(crate) fn read(paths: &[PathBuf]) -> Result<Vec<Found>, CommandError> {
    let mut all = Vec::new();
    for path in paths {
        let text = files::read(path, FILE_MAX)?;
        all.extend(read_text(path, &text)?);
    }
    if all.is_empty() {
        return Err(CommandError::usage("there is no document in what was given"));
    }
    only_once(&all)?;
    Ok(all)
}

/// The documents of a text, in whose errors this path stands.
pub(crate) fn read_text(path: &Path, text: &str) -> Result<Vec<Found>, CommandError> {
    let mut all = Vec::new();
    for (line, text) in split(text) {
        let wrong = |error: YamlError| {
            let said = YamlError { line: error.line + line - 1, ..error };
            CommandError::usage(said.to_string()).within(path)
        };
        let document = parse(text).map_err(wrong)?;
        all.push(Found { file: path.to_owned(), line, document });
    }
    Ok(all)
}

/// What says which kind a document is of.
#[derive(Deserialize)]
struct Header {
    kind: Kind,
}

fn parse(text: &str) -> Result<Box<dyn Declared>, YamlError> {
    if text.len() > MAX_YAML_BYTES {
        let reason = format!("a document is at most {MAX_YAML_BYTES} bytes of YAML");
        return Err(YamlError { line: 1, reason });
    }
    yaml::parse::<Header>(text)?.kind.read(text)
}

/// The documents of a stream, each with the line that it begins in. `---` at the beginning of a line ends a document
/// wherever it stands (YAML 1.2, section 9.1.2).
fn split(text: &str) -> Vec<(u64, &str)> {
    let (mut all, mut begin, mut first, mut at) = (Vec::new(), 0, 1, 0);
    for (number, line) in (1..).zip(text.split_inclusive('\n')) {
        if is_marker(line) && at > begin {
            all.push((first, text.get(begin..at).unwrap_or_default()));
            (begin, first) = (at, number);
        }
        at += line.len();
    }
    all.push((first, text.get(begin..).unwrap_or_default()));
    all.retain(|(_, document)| !is_empty(document));
    all
}

fn is_marker(line: &str) -> bool {
    line.strip_prefix("---").is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace))
}

/// Whether there is nothing but comments.
fn is_empty(document: &str) -> bool {
    document.lines().all(|line| {
        let line = if is_marker(line) { &line[3..] } else { line };
        let line = line.trim();
        line.is_empty() || line.starts_with('#') || line == "..."
    })
}

/// Refuses two documents about the same thing: none of them is the last one that wins.
fn only_once(all: &[Found]) -> Result<(), CommandError> {
    let mut seen = HashMap::new();
    for found in all {
        for key in found.document.keys() {
            if let Some(line) = seen.insert((found.document.kind(), key), found.line) {
                let (kind, name) = (found.document.kind(), found.document.name());
                let said = format!("line {}: {kind} {name} is there already, in line {line}", found.line);
                return Err(CommandError::usage(said).within(&found.file));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<(u64, &str)> {
        split(text)
    }

    #[test]
    fn a_stream_is_cut_at_its_markers_and_lines_are_counted() {
        assert_eq!(lines("a: 1\n"), [(1, "a: 1\n")]);
        assert_eq!(lines("---\na: 1\n---\nb: 2"), [(1, "---\na: 1\n"), (3, "---\nb: 2")]);
        assert_eq!(lines("# nothing\n---\n\n--- # empty\n...\n"), []);
        assert_eq!(lines("a: |\n  ---\n----\n"), [(1, "a: |\n  ---\n----\n")]);
        assert_eq!(lines(""), []);
    }

    /// The error of a file with this text.
    fn error(text: &str) -> String {
        let all = read_text(Path::new("f.yaml"), text).and_then(|all| only_once(&all));
        format!("{:?}", all.expect_err(text))
    }

    const USER: &str = "kind: user\nmetadata: {name: alice}\nspec: {roles: [dev]}\n";

    #[test]
    fn errors_name_the_file_the_line_and_the_key() {
        let second =
            format!("{USER}---\nkind: user\nmetadata: {{name: bob}}\nspec:\n  roles: []\n  rolse: [a]\n");
        let said = error(&second);
        assert!(said.contains("f.yaml: line 9") && said.contains("rolse"), "{said}");
        assert!(error("metadata: {name: a}\n").contains("kind"));
        assert!(error("kind: app\n").contains("app"));
        assert!(
            error(&format!("{USER}---\n{USER}")).contains("line 4: user alice is there already, in line 1")
        );
    }
}
