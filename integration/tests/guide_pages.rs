//! The pages of the guides and their tests go together.

use std::fs;

use mezite_fixtures::repository;
use mezite_integration::guide::page::{Deed, Place, Step};
use mezite_integration::guide::{Machine, take};

#[test]
fn a_page_whose_command_fails_or_prints_something_else_fails() {
    let mut machine = Machine::start();
    let mut took = |command: &str, output: &[&str], exit| {
        let output = output.iter().map(ToString::to_string).collect();
        let deed = Deed::Run { command: command.to_owned(), output, exit };
        take(&mut machine, &Step { line: 1, place: Place::Server, deed })
    };
    assert_eq!(took("NAME=db; echo $NAME", &["db"], 0), Ok(()));
    assert_eq!(took("echo $NAME", &["db"], 0), Ok(()), "one shell runs the whole page");
    assert!(took("false", &[], 0).is_err());
    assert!(took("true", &[], 1).is_err());
    assert!(took("echo web", &["db"], 0).is_err());
    assert!(took("mezctl nodes get nowhere", &[], 0).is_err());
    assert_eq!(took("mezctl nodes get nowhere", &["mezctl: there is no such node"], 4), Ok(()));
}

#[test]
fn every_guide_has_a_test_that_follows_it() {
    let names = |folder: &str| {
        let entries = fs::read_dir(repository().join(folder)).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect::<Vec<_>>()
    };
    let guides: Vec<_> = names("docs/manual").into_iter().filter(|name| name.starts_with("guide-")).collect();
    assert!(!guides.is_empty());
    let tests: String = names("integration/tests")
        .iter()
        .filter(|name| name.starts_with("guide_"))
        .map(|name| fs::read_to_string(repository().join("integration/tests").join(name)).unwrap())
        .collect();
    for guide in guides {
        assert!(tests.contains(&format!("\"{guide}\"")), "nothing follows {guide}");
    }
}

#[test]
fn the_map_of_the_guides_has_no_empty_cell_and_its_pages_exist() {
    let map = fs::read_to_string(repository().join("docs/guides.md")).unwrap();
    let rows = map.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| ---"));
    let mut count = 0;
    for row in rows {
        // A bar within a command is written `\|`.
        let row = row.replace("\\|", "");
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        assert!(cells.len() == 4 && cells.iter().all(|cell| !cell.is_empty()), "{row}");
        let known = ["how", "same", "adapted", "not offered"];
        assert!(known.iter().any(|word| cells[2].starts_with(word)), "{row}");
        count += 1;
    }
    assert!(count > 80, "{count} rows");
    for link in map.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
        assert!(repository().join("docs").join(link).is_file(), "there is no {link}");
    }
}
