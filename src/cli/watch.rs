//! `--watch`: looks every second, shows what changed, until it is over or a person has seen enough.

use super::error::CliError;
use super::exit_code::ExitCode;
use super::output::{Canvas, Frame, Output, show_cursor};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

/// From one look to the next.
const INTERVAL: Duration = Duration::from_secs(1);

/// What can be watched.
pub(super) trait Watched {
    /// Looks again. Cheap where nothing changed; whether anything did.
    fn look(&mut self) -> Result<bool, CliError>;

    /// What the last look found, laid out for this moment's window.
    fn frame(&self) -> Frame;

    /// Whether nothing more will change.
    fn is_over(&self) -> bool;
}

/// Shows what is watched until it is over, its reader has gone away, or somebody interrupts: all of them are fine ends.
pub(super) fn watch(watched: &mut dyn Watched, output: &Output) -> Result<ExitCode, CliError> {
    let asked = interruptible();
    let is_enough = || !matches!(asked.recv_timeout(INTERVAL), Err(RecvTimeoutError::Timeout));
    watch_on(watched, &mut *output.canvas(), is_enough)?;
    Ok(ExitCode::Done)
}

/// [`watch`] on a canvas; between two looks it is asked whether it is enough.
fn watch_on(
    watched: &mut dyn Watched,
    canvas: &mut dyn Canvas,
    mut is_enough: impl FnMut() -> bool,
) -> Result<(), CliError> {
    let mut is_first = true;
    loop {
        let is_other = watched.look()?;
        if is_other || is_first || canvas.is_resized() {
            is_first = false;
            if canvas.show(&watched.frame()).is_err() {
                return Ok(());
            }
        }
        if watched.is_over() || is_enough() {
            return Ok(());
        }
    }
}

/// Says when Ctrl-C was pressed or the process is to end. A second time ends it at once, in the middle of a look.
fn interruptible() -> Receiver<()> {
    let (ask, asked) = channel();
    let mut was_asked = false;
    let handler = move || {
        if was_asked {
            show_cursor();
            std::process::exit(ExitCode::Interrupted as i32);
        }
        was_asked = true;
        let _ = ask.send(());
    };
    if let Err(error) = ctrlc::set_handler(handler) {
        tracing::warn!("interruptions are not handled: {error}");
    }
    asked
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    /// Changes at some of its looks.
    struct Count {
        changes: Vec<bool>,
        looks: usize,
    }

    impl Watched for Count {
        fn look(&mut self) -> Result<bool, CliError> {
            self.looks += 1;
            Ok(self.changes[self.looks - 1])
        }

        fn frame(&self) -> Frame {
            Frame { body: self.looks.to_string(), ..Frame::default() }
        }

        fn is_over(&self) -> bool {
            self.looks == self.changes.len()
        }
    }

    /// Remembers what it was shown; resized after some frames, and gone after others.
    #[derive(Default)]
    struct Shown {
        frames: Vec<String>,
        resized_after: Option<usize>,
        gone_after: Option<usize>,
    }

    impl Canvas for Shown {
        fn is_resized(&self) -> bool {
            self.resized_after == Some(self.frames.len())
        }

        fn show(&mut self, frame: &Frame) -> io::Result<()> {
            self.frames.push(frame.text());
            match self.gone_after == Some(self.frames.len()) {
                true => Err(io::ErrorKind::BrokenPipe.into()),
                false => Ok(()),
            }
        }
    }

    fn watched(changes: &[bool], mut canvas: Shown, enough_after: usize) -> (Vec<String>, usize) {
        let mut count = Count { changes: changes.to_vec(), looks: 0 };
        let mut asked = 0;
        let is_enough = || {
            asked += 1;
            asked == enough_after
        };
        watch_on(&mut count, &mut canvas, is_enough).unwrap();
        (canvas.frames, count.looks)
    }

    #[test]
    fn only_what_changed_is_shown_and_the_end_ends_it() {
        let (frames, looks) = watched(&[false, false, true, false, true], Shown::default(), 0);
        assert_eq!((frames, looks), (vec!["1".to_owned(), "3".into(), "5".into()], 5));
    }

    #[test]
    fn another_window_is_drawn_again_though_nothing_changed() {
        let canvas = Shown { resized_after: Some(1), ..Shown::default() };
        assert_eq!(watched(&[true, false, false], canvas, 0).0, ["1", "2"]);
    }

    #[test]
    fn an_interruption_or_a_reader_that_is_gone_ends_it() {
        assert_eq!(watched(&[true; 9], Shown::default(), 2).1, 2);
        let canvas = Shown { gone_after: Some(3), ..Shown::default() };
        assert_eq!(watched(&[true; 9], canvas, 0).1, 3);
    }
}
