//! A page of the manual as the list of what its reader does.
//!
//! Fenced blocks say it: `console` has commands behind `$ `, continued behind `> ` or after a backslash, and below each what it
//! prints; any other language with `file=NAME` is a file to write, with `append=NAME` lines to add to one. `on=desk` does it at
//! the desk of an ordinary user, in place of the server's root; `exit=N` says how the last command of a block ends. Blocks
//! without these are for reading.

/// Where something is done.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Place {
    /// As root, on the gateway and the nodes.
    #[default]
    Server,
    /// As an ordinary user, at their own desk.
    Desk,
}

/// What to do.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Deed {
    /// Run a command.
    Run {
        /// The command, of one or more lines.
        command: String,
        /// What it prints; nothing said is nothing promised.
        output: Vec<String>,
        /// How it ends.
        exit: i32,
    },
    /// Write a file, or add lines to it.
    Write {
        /// Its path; relative to where the shell stands.
        path: String,
        /// The lines.
        content: String,
        /// Whether they are added.
        append: bool,
    },
}

/// One thing that the reader does.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Step {
    /// The line of the page.
    pub line: usize,
    /// Where.
    pub place: Place,
    /// What.
    pub deed: Deed,
}

/// Reads the steps of a page. Ends the test where a block cannot be understood.
pub fn steps(page: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut lines = page.lines().enumerate().map(|(index, line)| (index + 1, line));
    while let Some((line, text)) = lines.next() {
        let Some(info) = text.strip_prefix("```") else { continue };
        let body: Vec<_> = lines.by_ref().take_while(|(_, text)| *text != "```").collect();
        let block = Info::read(info, line);
        match block.file {
            Some((path, append)) => {
                let content = body.iter().flat_map(|(_, text)| [*text, "\n"]).collect();
                steps.push(Step { line, place: block.place, deed: Deed::Write { path, content, append } });
            }
            None if block.language == "console" => steps.extend(commands(&block, &body)),
            None => {}
        }
    }
    steps
}

struct Info {
    language: String,
    place: Place,
    exit: i32,
    file: Option<(String, bool)>,
}

impl Info {
    fn read(info: &str, line: usize) -> Self {
        let mut words = info.split_whitespace();
        let language = words.next().unwrap_or_default().to_owned();
        let mut block = Self { language, place: Place::Server, exit: 0, file: None };
        for word in words {
            match word.split_once('=') {
                Some(("on", "desk")) => block.place = Place::Desk,
                Some(("exit", code)) => block.exit = code.parse().expect("exit=NUMBER"),
                Some(("file", path)) => block.file = Some((path.to_owned(), false)),
                Some(("append", path)) => block.file = Some((path.to_owned(), true)),
                _ => panic!("line {line}: what is {word}?"),
            }
        }
        block
    }
}

fn commands(block: &Info, body: &[(usize, &str)]) -> Vec<Step> {
    let mut steps: Vec<(usize, String, Vec<String>)> = Vec::new();
    for (line, text) in body {
        if let Some(command) = text.strip_prefix("$ ") {
            steps.push((*line, command.to_owned(), Vec::new()));
            continue;
        }
        let Some((_, command, output)) = steps.last_mut() else {
            panic!("line {line}: a console block begins with a command");
        };
        match text.strip_prefix("> ") {
            Some(more) if output.is_empty() => *command = format!("{command}\n{more}"),
            _ if output.is_empty() && command.ends_with('\\') => *command = format!("{command}\n{text}"),
            _ => output.push((*text).to_owned()),
        }
    }
    let last = steps.len();
    let step = |(index, (line, command, output)): (usize, _)| {
        let exit = if index + 1 == last { block.exit } else { 0 };
        Step { line, place: block.place, deed: Deed::Run { command, output, exit } }
    };
    steps.into_iter().enumerate().map(step).collect()
}

/// Whether a program printed what the page shows: line for line, where `…` stands for anything within a line, and alone for
/// any lines.
pub fn shows(shown: &[String], printed: &str) -> bool {
    let printed: Vec<&str> = printed.lines().map(str::trim_end).collect();
    same_lines(shown, &printed)
}

fn same_lines(shown: &[String], printed: &[&str]) -> bool {
    match shown.split_first() {
        None => printed.is_empty(),
        Some((line, rest)) if line.trim() == "…" => {
            (0..=printed.len()).any(|skipped| same_lines(rest, printed.get(skipped..).unwrap_or_default()))
        }
        Some((line, rest)) => printed
            .split_first()
            .is_some_and(|(first, others)| same_line(line.trim_end(), first) && same_lines(rest, others)),
    }
}

fn same_line(shown: &str, printed: &str) -> bool {
    let Some((start, rest)) = shown.split_once('…') else { return shown == printed };
    let Some(printed) = printed.strip_prefix(start) else { return false };
    printed.char_indices().map(|(at, _)| at).chain([printed.len()]).any(|at| same_line(rest, &printed[at..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# A page\n\nWords.\n\n```console on=desk exit=3\n$ one \\\n  --more\nout …\n$ cat <<E\n> body\n> E\nbody\n```\n\n\
        ```yaml file=role.yaml\nkind: role\n```\n\n```text\n$ not run\n```\n";

    #[test]
    fn a_page_is_its_commands_and_files() {
        let run = |line, command: &str, output: &str, exit| Step {
            line,
            place: Place::Desk,
            deed: Deed::Run { command: command.to_owned(), output: vec![output.to_owned()], exit },
        };
        let file =
            Deed::Write { path: "role.yaml".to_owned(), content: "kind: role\n".to_owned(), append: false };
        let expected = [
            run(6, "one \\\n  --more", "out …", 0),
            run(9, "cat <<E\nbody\nE", "body", 3),
            Step { line: 15, place: Place::Server, deed: file },
        ];
        assert_eq!(steps(PAGE), expected);
    }

    #[test]
    fn what_is_shown_is_what_must_be_printed() {
        let shown = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        for (page, printed) in [
            ("a\nb", "a\nb\n"),
            ("a …d", "a b c d"),
            ("…\nz", "x\ny\nz"),
            ("a\n…", "a"),
            ("key … end", "key a end b end"),
        ] {
            assert!(shows(&shown(page), printed), "{page:?} is {printed:?}");
        }
        for (page, printed) in [("a", "a\nb"), ("a\nb", "a"), ("a …d", "a b c"), ("…\nz", "z\ny"), ("a", "")]
        {
            assert!(!shows(&shown(page), printed), "{page:?} is not {printed:?}");
        }
    }
}
