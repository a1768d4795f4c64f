//! `--on-renew`: a command that is run after each swap. What becomes of it is logged and changes nothing.

use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::clock::Event;

/// How often it is looked whether the command has ended.
const GLANCE: Duration = Duration::from_millis(50);

/// Runs `command` by a shell, at most so long. `true`: the process was told to stop meanwhile.
pub(crate) fn run(
    command: &str,
    destination: &str,
    limit: Duration,
    (sender, events): (&Sender<Event>, &Receiver<Event>),
) -> bool {
    let spawned = Command::new("/bin/sh")
        .args(["-c", command])
        .env("MEZITE_DESTINATION", destination)
        .stdin(Stdio::null())
        .process_group(0)
        .spawn();
    let mut child = match spawned {
        Ok(child) => child,
        Err(error) => {
            log::error!(error:%; "--on-renew cannot be started");
            return false;
        }
    };
    let mut meanwhile = Vec::new();
    let (ended, stopped) = until(&mut child, Instant::now() + limit, events, &mut meanwhile);
    // What was asked for meanwhile is done afterwards.
    for event in meanwhile {
        let _ = sender.send(event);
    }
    match ended {
        Some(status) if status.success() => log::debug!("--on-renew is done"),
        Some(status) => log::error!(status:%; "--on-renew failed"),
        None => {
            // With all that it has started.
            let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
            let _ = child.wait();
            log::error!(seconds = limit.as_secs(); "--on-renew was killed");
        }
    }
    stopped
}

fn until(
    child: &mut Child,
    deadline: Instant,
    events: &Receiver<Event>,
    meanwhile: &mut Vec<Event>,
) -> (Option<ExitStatus>, bool) {
    loop {
        if let Ok(Some(status)) = child.try_wait() {
            return (Some(status), false);
        }
        if Instant::now() >= deadline {
            return (None, false);
        }
        match events.recv_timeout(GLANCE) {
            Ok(Event::Stop) => return (None, true),
            Err(RecvTimeoutError::Disconnected) => std::thread::sleep(GLANCE),
            Ok(event) => meanwhile.push(event),
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}
