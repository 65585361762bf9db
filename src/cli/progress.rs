//! How far a long command is: a bar on a terminal, a line every now and then elsewhere.

use std::fmt::Display;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{HumanCount, HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::report::tell;

/// How often a line is written where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);
/// How often the bar is drawn again while nothing moves.
const DRAW_EVERY: Duration = Duration::from_millis(200);

/// Whether a command says how far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Voice {
    Normal,
    Quiet,
}

/// How far one command is.
pub(super) struct Progress {
    bar: ProgressBar,
    /// What is counted, in the plural.
    unit: &'static str,
    began: Instant,
    voice: Voice,
    last_line: Mutex<Instant>,
}

impl Progress {
    /// Of so many steps, where that is known.
    pub(super) fn new(unit: &'static str, steps: Option<u64>, voice: Voice) -> Progress {
        let target = if voice == Voice::Quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let template = match steps {
            Some(_) => "{elapsed_precise} [{bar:30}] {percent:>3} %  {msg}, {eta} left",
            None => "{elapsed_precise} {spinner} {msg}",
        };
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::with_draw_target(steps, target).with_style(style.progress_chars("=> "));
        bar.set_message(format!("0 {unit}"));
        bar.enable_steady_tick(DRAW_EVERY);
        Progress { bar, unit, began: Instant::now(), voice, last_line: Mutex::new(Instant::now()) }
    }

    /// Sets how many steps there are.
    pub(super) fn set_steps(&self, steps: u64) {
        self.bar.set_length(steps);
    }

    /// Shows that so many steps are done, and so many of what is counted, with a remark.
    pub(super) fn set(&self, steps: u64, counted: u64, remark: impl Display) {
        let seconds = self.began.elapsed().as_secs_f64().max(0.001);
        let rate = (counted as f64 / seconds) as u64;
        let message = format!("{} {}, {}/s{remark}", HumanCount(counted), self.unit, HumanCount(rate));
        self.bar.set_position(steps);
        if self.bar.is_hidden() && self.voice == Voice::Normal && self.is_time_for_a_line() {
            let left = self.bar.length().filter(|length| *length > 0 && steps > 0).map(|length| {
                let left = seconds * length.saturating_sub(steps) as f64 / steps as f64;
                let percent = (steps * 100).checked_div(length).unwrap_or_default();
                format!("{percent} %, {} left, ", HumanDuration(Duration::from_secs_f64(left)))
            });
            tell(format_args!("{}{message}", left.unwrap_or_default()));
        }
        self.bar.set_message(message);
    }

    fn is_time_for_a_line(&self) -> bool {
        let mut last_line = self.last_line.lock().unwrap_or_else(PoisonError::into_inner);
        let is_time = last_line.elapsed() >= LINE_EVERY;
        if is_time {
            *last_line = Instant::now();
        }
        is_time
    }

    /// Says something beside the bar.
    pub(super) fn tell(&self, line: impl Display) {
        self.beside(|| tell(line));
    }

    /// Prints something while the bar is away.
    pub(super) fn beside(&self, print: impl FnOnce()) {
        self.bar.suspend(print);
    }

    /// Takes the bar away.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.finish();
    }
}
