//! A handle to stop a run from another thread.
//!
//! Owns the state of a run: idle, running or stopped. A run can be stopped before it begins. Must
//! not know how an engine is stopped.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Handle that stops one run of a graph. The thread that runs the graph and the task that waits for
/// the run share the handle.
#[derive(Default)]
pub struct Stop(Mutex<State>);

#[derive(Default)]
enum State {
    /// The run is not in progress: it has not begun yet, or it has ended.
    #[default]
    Idle,
    /// The run is in progress. The function asks the engine to stop the run.
    Running(Box<dyn Fn() + Send>),
    /// [`Stop::now`] was called, so the run was stopped or will not begin.
    Stopped,
}

impl Stop {
    /// Stops the run. A run in progress ends when its engine next checks for a stop. A run that has
    /// not begun does not begin.
    pub fn now(&self) {
        let mut state = self.lock();
        if let State::Running(stop) = &*state {
            stop();
        }
        *state = State::Stopped;
    }

    /// Calls `run`, and returns its result. While `run` is in progress, [`Stop::now`] calls `stop`
    /// to end it. Returns `None` if the run was stopped before or during the call.
    pub fn during<T>(
        &self,
        stop: impl Fn() + Send + 'static,
        run: impl FnOnce() -> T,
    ) -> Option<T> {
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
        // A panic cannot leave a state half set.
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
        assert_eq!(
            stop.during(
                move || flag.store(true, Ordering::SeqCst),
                move || from_within.now()
            ),
            None
        );
        assert!(heard.load(Ordering::SeqCst));
        assert_eq!(
            stop.during(|| (), || panic!("it does not begin")),
            None::<()>
        );
    }
}
