//! Stopping a run from another thread.
//!
//! Owns whether a run was told to stop, before it began or while it goes on. Must not know how an engine does it.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Stops one run. Whoever runs and whoever waits share it.
#[derive(Default)]
pub struct Stop(Mutex<State>);

#[derive(Default)]
enum State {
    /// It has not begun, or has ended.
    #[default]
    Idle,
    /// What stops it.
    Running(Box<dyn Fn() + Send>),
    /// It was told to stop.
    Stopped,
}

impl Stop {
    /// Tells the run to stop: it ends as soon as its engine looks, or does not begin.
    pub fn now(&self) {
        let mut state = self.lock();
        if let State::Running(stop) = &*state {
            stop();
        }
        *state = State::Stopped;
    }

    /// Runs something that `stop` stops; `None` if it was told to stop, before or meanwhile.
    pub fn during<T>(&self, stop: impl Fn() + Send + 'static, run: impl FnOnce() -> T) -> Option<T> {
        {
            let mut state = self.lock();
            if matches!(*state, State::Stopped) {
                return None;
            }
            *state = State::Running(Box::new(stop));
        }
        let output = run();
        let mut state = self.lock();
        if matches!(*state, State::Stopped) {
            return None;
        }
        *state = State::Idle;
        Some(output)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A state is never half set.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[test]
    fn a_run_is_stopped_before_during_and_not_after() {
        let stop = Arc::new(Stop::default());
        assert_eq!(stop.during(|| (), || 1), Some(1));
        let heard = Arc::new(AtomicBool::new(false));
        let (flag, from_within) = (Arc::clone(&heard), Arc::clone(&stop));
        assert_eq!(stop.during(move || flag.store(true, Ordering::SeqCst), move || from_within.now()), None);
        assert!(heard.load(Ordering::SeqCst));
        assert_eq!(stop.during(|| (), || panic!("it does not begin")), None::<()>);
    }
}
