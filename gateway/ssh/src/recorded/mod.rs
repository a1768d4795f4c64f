//! Whole sessions with real programs, recorded once and replayed byte by byte: see `fixtures/recorded/README.md`.

mod make;
mod ours;
mod transcript;

use std::time::Instant;

use crate::cipher;
use crate::random::seeded;
use ours::{AsClient, AsServer, Ours};
use transcript::{Transcript, Turn};

/// Shows our side what the peer has said, in pieces of at most `piece` bytes, and ends the test unless it says what it
/// said then. Gives what it went through.
fn replay<O: Ours>(name: &str, piece: usize) -> Vec<String> {
    let transcript = Transcript::read(name);
    seeded::with(name, || {
        let now = Instant::now();
        let mut ours = O::new(&transcript.key, now);
        let mut said = ours.take_output();
        for (number, turn) in transcript.turns.iter().enumerate() {
            match turn {
                Turn::Peer(bytes) => {
                    for piece in bytes.chunks(piece) {
                        ours.receive(piece, now);
                        said.extend(ours.take_output());
                    }
                }
                Turn::Ours(bytes) => {
                    assert!(said == *bytes, "{name}, pieces of {piece}: turn {number} is another one");
                    said.clear();
                }
            }
        }
        assert!(said.is_empty(), "{name}: something was said at the end");
        ours.journal().clone()
    })
}

/// Replays in whole turns, byte by byte, and in pieces whose borders fall everywhere.
fn replayed<O: Ours>(name: &str) -> Vec<String> {
    let whole = replay::<O>(name, usize::MAX);
    for piece in (1..40).chain([100, 1000, 4096]) {
        assert_eq!(replay::<O>(name, piece), whole, "{name}, pieces of {piece}");
    }
    whole
}

/// Says so where these recordings cannot be replayed.
fn can_replay() -> bool {
    if !cipher::hardware_aes() {
        eprintln!("SKIPPED: made on a processor with AES, which proposes other ciphers than this one");
    }
    cipher::hardware_aes()
}

#[test]
fn clients_with_a_certificate_run_a_command_and_leave() {
    for name in ["openssh-9.2-client", "putty-0.78-client"] {
        if can_replay() {
            let journal = replayed::<AsServer>(name);
            let certificate = "proven ssh-ed25519-cert-v01@openssh.com for recorded";
            for step in [certificate, "session", "exec echo recorded", "closed"] {
                assert!(journal.iter().any(|line| line.starts_with(step)), "{name}: {step}: {journal:#?}");
            }
        }
    }
}

#[test]
fn client_without_certificates_is_refused_and_leaves() {
    if can_replay() {
        let journal = replayed::<AsServer>("dropbear-2022.83-client");
        assert!(journal.contains(&"refused key ssh-ed25519".to_owned()), "{journal:#?}");
        assert!(!journal.iter().any(|line| line.starts_with("proven")), "{journal:#?}");
    }
}

#[test]
fn servers_let_us_in_and_run_a_command() {
    for name in ["openssh-9.2-server", "dropbear-2022.83-server"] {
        if can_replay() {
            let journal = replayed::<AsClient>(name);
            for step in ["secured", "success", "session", "output recorded", "status 7", "closed"] {
                assert!(journal.iter().any(|line| line == step), "{name}: {step}: {journal:#?}");
            }
        }
    }
}

#[test]
fn changed_byte_behind_the_first_keys_ends_a_session() {
    if !can_replay() {
        return;
    }
    let name = "openssh-9.2-client";
    let transcript = Transcript::read(name);
    let turns: Vec<&[u8]> = transcript
        .turns
        .iter()
        .filter_map(|turn| if let Turn::Peer(b) = turn { Some(&b[..]) } else { None })
        .collect();
    let all = turns.concat();
    // In the clear: the line, KEXINIT, the method's message, NEWKEYS; their padding is protected by nothing.
    let mut start = all.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    for _ in 0..3 {
        start += 4 + u32::from_be_bytes(all[start..start + 4].try_into().unwrap()) as usize;
    }
    for at in (start..all.len()).step_by(7) {
        seeded::with(name, || {
            let now = Instant::now();
            let mut ours = AsServer::new(&transcript.key, now);
            let mut seen = 0;
            for turn in &turns {
                let mut bytes = turn.to_vec();
                if let Some(byte) = at.checked_sub(seen).and_then(|at| bytes.get_mut(at)) {
                    *byte ^= 1;
                }
                seen += turn.len();
                ours.receive(&bytes, now);
                ours.take_output();
            }
            let over = ours
                .journal()
                .iter()
                .any(|line| line.starts_with("over: ") && !line.contains("disconnected"));
            // A bit in a length may leave the engine waiting for more.
            let waits = !ours.journal().iter().any(|line| line == "closed");
            assert!(over || waits, "byte {at}: {:#?}", ours.journal());
        });
    }
}
