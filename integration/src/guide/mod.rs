//! The guides of the manual, followed: the commands of a page are run in its order, and must end and print as it shows.

mod machine;
pub mod page;

use std::fs;

use mezite_fixtures::repository;

pub use machine::Machine;
use page::{Deed, Step};

/// Does what `docs/manual/NAME` tells its reader to do. Ends the test at the first thing that does not go as the page says.
pub fn follow(machine: &mut Machine, name: &str) {
    let path = repository().join("docs/manual").join(name);
    let page = fs::read_to_string(&path).unwrap_or_else(|e| panic!("cannot read {}: {e}", path.display()));
    for step in page::steps(&page) {
        if let Err(why) = take(machine, &step) {
            panic!("{name}, line {}: {why}\n\nthe gateway:\n{}", step.line, machine.log());
        }
    }
}

/// Takes one step.
pub fn take(machine: &mut Machine, step: &Step) -> Result<(), String> {
    match &step.deed {
        Deed::Write { path, content, append } => {
            let arrow = if *append { ">>" } else { ">" };
            let command = format!("cat {arrow}{path} <<'END-OF-FILE'\n{content}END-OF-FILE\n");
            let (exit, printed) = machine.run(step.place, &command);
            if exit == 0 { Ok(()) } else { Err(format!("cannot write {path}: {printed}")) }
        }
        Deed::Run { command, output, exit } => {
            let (code, printed) = machine.run(step.place, command);
            // Shown where the test fails, or is asked for what it says.
            println!("$ {command}\n{printed}");
            if code != *exit {
                return Err(format!("`{command}` exited with {code}, not {exit}:\n{printed}"));
            }
            if !output.is_empty() && !page::shows(output, &printed) {
                let shown = output.join("\n");
                return Err(format!("`{command}` printed\n{printed}\nand the page shows\n{shown}"));
            }
            Ok(())
        }
    }
}
