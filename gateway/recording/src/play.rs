//! Shows a recording: in its own time on a terminal, at once elsewhere.

use std::io::{Read, Write};
use std::ops::ControlFlow;
use std::time::Duration;

use crate::sanitise::reset;
use crate::{Body, PlayError, Reader, Sanitiser, State, Stream};

/// How to show a recording.
#[derive(Clone, Copy, Debug)]
pub struct PlayOptions {
    /// The output is a terminal. Else it is written at once and as it was, and nothing else here counts.
    pub terminal: bool,
    /// Let everything reach the terminal. Hostile output can then do to it what a hostile host can.
    pub raw: bool,
    /// How many times faster than it was.
    pub speed: f64,
    /// The longest pause, before the speed is applied.
    pub idle_limit: Option<Duration>,
    /// Show everything up to here at once.
    pub seek: Duration,
}

impl Default for PlayOptions {
    fn default() -> Self {
        Self { terminal: false, raw: false, speed: 1.0, idle_limit: None, seek: Duration::ZERO }
    }
}

/// How playing ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Played {
    /// At the end of what can be believed of the recording.
    Ended(State),
    /// By who watches.
    Stopped,
}

/// Shows the output in `reader` on `out`.
///
/// Where it is a terminal, `wait` is called for each pause: it sleeps, and breaks when playing shall stop. Whatever
/// happens, the terminal is reset at the end.
pub fn play<R: Read>(
    reader: &mut Reader<R>,
    out: &mut impl Write,
    options: &PlayOptions,
    wait: impl FnMut(Duration) -> ControlFlow<()>,
) -> Result<Played, PlayError> {
    if !options.terminal {
        return copy(reader, out);
    }
    if !(options.speed.is_finite() && options.speed > 0.0) {
        return Err(PlayError::Speed);
    }
    let mut screen = Screen { out, raw: options.raw, sanitiser: Sanitiser::new(), clean: String::new() };
    let played = run(reader, &mut screen, options, wait);
    let reset = screen.reset();
    // The first thing that went wrong is the one to tell.
    played.and_then(|played| reset.map(|()| played))
}

/// Writes the output at once, as it was.
fn copy<R: Read>(reader: &mut Reader<R>, out: &mut impl Write) -> Result<Played, PlayError> {
    while let Some(frame) = reader.next_frame()? {
        if let Some((_, data)) = frame.body.output() {
            out.write_all(data).map_err(PlayError::Output)?;
        }
    }
    out.flush().map_err(PlayError::Output)?;
    Ok(ended(reader))
}

fn run<R: Read>(
    reader: &mut Reader<R>,
    screen: &mut Screen<'_, impl Write>,
    options: &PlayOptions,
    mut wait: impl FnMut(Duration) -> ControlFlow<()>,
) -> Result<Played, PlayError> {
    let mut shown = options.seek;
    while let Some(frame) = reader.next_frame()? {
        let pause = frame.at.saturating_sub(shown);
        shown = shown.max(frame.at);
        let pause = pause.min(options.idle_limit.unwrap_or(Duration::MAX));
        if !pause.is_zero() {
            screen.out.flush().map_err(PlayError::Output)?;
            let pause =
                Duration::try_from_secs_f64(pause.as_secs_f64() / options.speed).unwrap_or(Duration::MAX);
            if wait(pause).is_break() {
                return Ok(Played::Stopped);
            }
        }
        match frame.body.output() {
            Some((_, data)) => screen.show(data)?,
            None => {
                if let Some(remark) = remark(&frame.body) {
                    screen.remark(&remark)?;
                }
            }
        }
    }
    Ok(ended(reader))
}

fn ended<R: Read>(reader: &Reader<R>) -> Played {
    Played::Ended(reader.state().unwrap_or(State::Incomplete))
}

/// The terminal of who watches.
struct Screen<'a, W> {
    out: &'a mut W,
    raw: bool,
    /// Sees raw output too: it knows which screen is shown.
    sanitiser: Sanitiser,
    clean: String,
}

impl<W: Write> Screen<'_, W> {
    fn show(&mut self, data: &[u8]) -> Result<(), PlayError> {
        self.clean.clear();
        self.sanitiser.push(data, &mut self.clean);
        let shown = if self.raw { data } else { self.clean.as_bytes() };
        self.out.write_all(shown).map_err(PlayError::Output)
    }

    /// Shows a line of ours, which may quote what came from outside.
    fn remark(&mut self, text: &str) -> Result<(), PlayError> {
        let mut line = String::from("\r\n[");
        line.extend(text.chars().map(|character| if character.is_control() { ' ' } else { character }));
        line.push_str("]\r\n");
        self.out.write_all(line.as_bytes()).map_err(PlayError::Output)
    }

    fn reset(mut self) -> Result<(), PlayError> {
        self.clean.clear();
        self.sanitiser.finish(&mut self.clean);
        let tail = if self.raw { "" } else { self.clean.as_str() };
        let reset = reset(self.sanitiser.alternate());
        [tail, &reset]
            .iter()
            .try_for_each(|text| self.out.write_all(text.as_bytes()))
            .map_err(PlayError::Output)?;
        self.out.flush().map_err(PlayError::Output)
    }
}

/// What the gateway has to say in this frame to who reads or watches the recording.
pub(crate) fn remark(body: &Body<'_>) -> Option<String> {
    match body {
        Body::Note(text) => Some(format!("mezite: {text}")),
        Body::Digest(digest) => {
            let stream = match digest.stream {
                Stream::Stdout => "output",
                Stream::Stderr => "error output",
            };
            Some(format!(
                "mezite: {} of {} bytes of {stream} recorded, BLAKE3 of all {}",
                digest.recorded,
                digest.total,
                blake3::Hash::from_bytes(digest.blake3)
            ))
        }
        _ => None,
    }
}
