//! Many questions to filesystems at once, all under one deadline.

use std::collections::VecDeque;
use std::os::fd::AsFd;
use std::time::Instant;

use mount_core::Error;
use mount_core::probe::{Probe, Progress, wait_for_any};

/// How many are asked at a time; each costs a process and a descriptor.
const AT_ONCE: usize = 200;

type Question = Box<dyn FnOnce() -> Vec<u8>>;

/// What came of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Answered(Vec<u8>),
    /// Asked, but there was no answer by the deadline.
    Silent,
    /// Too many were silent before it.
    NotAsked,
    /// The process that asked died.
    Failed,
}

/// Questions, each with a tag that its answer comes back with.
pub(crate) struct Pool<Tag> {
    deadline: Instant,
    waiting: VecDeque<(Tag, Question)>,
    asked: Vec<(Tag, Probe)>,
}

impl<Tag> Pool<Tag> {
    pub(crate) fn new(deadline: Instant) -> Self {
        Pool { deadline, waiting: VecDeque::new(), asked: Vec::new() }
    }

    pub(crate) fn add(&mut self, tag: Tag, question: impl FnOnce() -> Vec<u8> + 'static) {
        self.waiting.push_back((tag, Box::new(question)));
    }

    /// The next answer; `None` when all have been given. Once the deadline has passed, those that were asked end as
    /// [`Outcome::Silent`], and those whose turn never came as [`Outcome::NotAsked`].
    pub(crate) fn next(&mut self) -> Option<Result<(Tag, Outcome), Error>> {
        loop {
            if let Err(error) = self.ask_more() {
                return Some(Err(error));
            }
            if let Some((at, outcome)) = self.finished() {
                let (tag, _) = self.asked.swap_remove(at);
                return Some(Ok((tag, outcome)));
            }
            let open: Vec<_> = self.asked.iter().map(|(_, probe)| probe.as_fd()).collect();
            if open.is_empty() || !wait_for_any(&open, self.deadline) {
                let silent = self.asked.pop().map(|(tag, _)| (tag, Outcome::Silent));
                let not_asked = || self.waiting.pop_front().map(|(tag, _)| (tag, Outcome::NotAsked));
                return silent.or_else(not_asked).map(Ok);
            }
        }
    }

    fn ask_more(&mut self) -> Result<(), Error> {
        while self.asked.len() < AT_ONCE && Instant::now() < self.deadline {
            let Some((tag, question)) = self.waiting.pop_front() else { break };
            self.asked.push((tag, Probe::start(question)?));
        }
        Ok(())
    }

    fn finished(&mut self) -> Option<(usize, Outcome)> {
        self.asked.iter_mut().enumerate().find_map(|(at, (_, probe))| match probe.take() {
            Progress::Silent => None,
            Progress::Answered(answer) => Some((at, Outcome::Answered(answer))),
            Progress::Failed => Some((at, Outcome::Failed)),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn more_questions_than_can_be_asked_at_once_are_all_answered() {
        let mut pool = Pool::new(Instant::now() + Duration::from_secs(60));
        for number in 0..AT_ONCE + 50 {
            pool.add(number, move || number.to_ne_bytes().to_vec());
        }
        let mut answered = 0;
        while let Some(answer) = pool.next() {
            let (number, outcome) = answer.expect("processes to be had");
            assert_eq!(outcome, Outcome::Answered(number.to_ne_bytes().to_vec()));
            answered += 1;
        }
        assert_eq!(answered, AT_ONCE + 50);
    }

    #[test]
    fn silent_ones_end_with_the_deadline_and_hide_no_other() {
        let mut pool = Pool::new(Instant::now() + Duration::from_millis(300));
        pool.add("silent", || {
            loop {
                std::thread::park();
            }
        });
        pool.add("other", || b"here".to_vec());
        let first = pool.next().expect("two answers").expect("processes to be had");
        assert_eq!(first, ("other", Outcome::Answered(b"here".to_vec())));
        let second = pool.next().expect("two answers").expect("processes to be had");
        assert_eq!(second, ("silent", Outcome::Silent));
        assert!(pool.next().is_none());
    }
}
