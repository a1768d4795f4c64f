//! What a process has used, from `/proc`.

use std::fs;
use std::ops::{Add, Sub};

use mezite_fixtures::eventually;

/// `USER_HZ`, which is this on x86-64 and arm64.
const TICKS_PER_SECOND: f64 = 100.0;

/// Processor time in seconds, in steps of 10 ms.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cpu {
    /// In the program.
    pub user: f64,
    /// In the kernel on behalf of it.
    pub system: f64,
}

impl Cpu {
    /// Both.
    pub fn total(self) -> f64 {
        self.user + self.system
    }
}

impl Sub for Cpu {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self { user: self.user - before.user, system: self.system - before.system }
    }
}

impl Add for Cpu {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { user: self.user + other.user, system: self.system + other.system }
    }
}

/// What process `pid` has used so far, with those of its children that have ended.
pub fn cpu(pid: u32) -> Cpu {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process runs");
    // `pid (name) state ppid …`, and the name may hold anything. After it, from 0: 11 utime, 12 stime, 13 cutime,
    // 14 cstime.
    let fields: Vec<&str> = stat.rsplit_once(')').expect("a name in brackets").1.split_whitespace().collect();
    let seconds = |index: usize| fields[index].parse::<f64>().expect("a number of ticks") / TICKS_PER_SECOND;
    Cpu { user: seconds(11) + seconds(13), system: seconds(12) + seconds(14) }
}

/// Waits until `pid` has no children: an `sshd` that listens has one for each connection.
pub fn wait_for_children(pid: u32) {
    eventually("the end of the process of a connection", || {
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        children.expect("the process runs").trim().is_empty().then_some(())
    });
}

/// Resident memory in KiB.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// All of it: `VmRSS`.
    pub resident: f64,
    /// What is backed by no file: `RssAnon`.
    pub anonymous: f64,
}

/// What process `pid` holds now.
pub fn memory(pid: u32) -> Memory {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    let field = |name: &str| {
        let line =
            status.lines().find_map(|line| line.strip_prefix(name)).expect("a line of /proc/PID/status");
        line.trim().trim_end_matches(" kB").parse().expect("a number of KiB")
    };
    Memory { resident: field("VmRSS:"), anonymous: field("RssAnon:") }
}
