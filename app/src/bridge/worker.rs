//! A thread for what takes time: reading the log, writing notes. Jobs are done one after the other,
//! so that of two writes the later one remains.

use std::{
    io,
    sync::mpsc::{self, Sender},
    thread::{Builder, JoinHandle},
};

type Job = Box<dyn FnOnce() + Send>;

/// See the module. Dropping it waits for the jobs it was given.
pub struct Worker {
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Starts the thread.
    pub fn start(name: &str) -> io::Result<Self> {
        let (jobs, given) = mpsc::channel::<Job>();
        let thread =
            Builder::new().name(name.to_owned()).spawn(move || given.into_iter().for_each(|job| job()))?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }

    /// Has something done soon.
    pub fn give(&self, job: impl FnOnce() + Send + 'static) {
        let given = self.jobs.as_ref().is_some_and(|jobs| jobs.send(Box::new(job)).is_ok());
        if !given {
            tracing::error!("the app's worker has ended: something was not done");
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.jobs = None;
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the app's worker ended by a panic");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[test]
    fn jobs_are_done_in_order_and_before_the_end() {
        let done = Arc::new(Mutex::new(Vec::new()));
        let worker = Worker::start("test").unwrap();
        for number in 0..10 {
            let done = done.clone();
            worker.give(move || done.lock().unwrap().push(number));
        }
        drop(worker);
        assert_eq!(*done.lock().unwrap(), (0..10).collect::<Vec<_>>());
    }
}
