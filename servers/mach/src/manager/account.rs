//! What is queued for whom.

use arena::IdMap;
use vm::ManagerId;

use super::{ALL_REQUESTS, TASK_MESSAGES, TASK_PAGES, TASK_REQUESTS, port_of};
use crate::port::{Port, Space, SpaceId};

/// Pages that one message brings at the most.
const MESSAGE_PAGES: u32 = 32;

/// Who pays for a message while it is queued, and how much.
#[derive(Clone, Copy, Debug)]
pub struct Charge {
    /// The object port that it waits at; none for a completion.
    pub port: Option<ManagerId>,
    /// The task that receives there.
    pub task: Option<SpaceId>,
    /// The pages that come with it.
    pub pages: u32,
    /// It is the default pager's.
    pub is_paging: bool,
}

/// What waits for a task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Task {
    messages: u32,
    pages: u32,
    requests: u32,
    /// Associations whose messages it receives.
    associations: u32,
    /// Pages of theirs that came unasked and were not used yet.
    unasked: u32,
}

impl Task {
    /// Whether its queues take a message of any size.
    const fn has_room(&self) -> bool {
        self.messages < TASK_MESSAGES && self.pages + MESSAGE_PAGES <= TASK_PAGES
    }
}

/// The counts. Accounts that hold nothing do not exist.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    ports: IdMap<Port, u32>,
    tasks: IdMap<Space, Task>,
    /// The sum over all tasks.
    requests: u32,
    /// Pages in messages to all tasks.
    pages: u32,
    /// Pages that may be in messages to all tasks but the default pager.
    most_pages: u32,
}

impl Accounts {
    pub(super) fn add(&mut self, charge: &Charge) {
        if let Some(port) = charge.port
            && let Some(messages) = self.ports.get_or_insert_with(port_of(port), u32::default)
        {
            *messages += 1;
        }
        if let Some(task) = charge.task
            && let Some(task) = self.tasks.get_or_insert_with(task, Task::default)
        {
            task.messages += 1;
            task.pages += charge.pages;
            self.pages += if charge.is_paging { 0 } else { charge.pages };
        }
    }

    pub(super) fn subtract(&mut self, charge: &Charge) {
        if let Some(port) = charge.port
            && let Some(messages) = self.ports.get_mut(port_of(port))
        {
            *messages -= 1;
            if *messages == 0 {
                self.ports.remove(port_of(port));
            }
        }
        if let Some(task) = charge.task {
            self.pages -= if charge.is_paging { 0 } else { charge.pages };
            self.change(task, |task| {
                task.messages -= 1;
                task.pages -= charge.pages;
            });
        }
    }

    pub(super) fn port_messages(&self, port: ManagerId) -> u32 {
        self.ports.get(port_of(port)).copied().unwrap_or_default()
    }

    /// Sets how many pages may be in messages to all tasks but the default pager.
    pub(super) fn set_most_pages(&mut self, pages: u32) {
        self.most_pages = pages;
    }

    /// Whether a task's queues take a message of any size.
    pub(super) fn task_has_room(&self, task: Option<SpaceId>) -> bool {
        task.and_then(|task| self.tasks.get(task)).is_none_or(Task::has_room)
    }

    /// Both at once.
    pub(super) fn both_have_room(&self, task: Option<SpaceId>) -> bool {
        let Some(task) = task.and_then(|task| self.tasks.get(task)) else { return self.pages_fit(0) };
        task.has_room() && self.pages_fit(task.pages)
    }

    /// Whether there may be more pages in messages to a memory manager. Half of them are for those who have none, so that
    /// who does not receive takes nothing from who does.
    pub(super) fn pages_have_room(&self, task: Option<SpaceId>) -> bool {
        self.pages_fit(task.and_then(|task| self.tasks.get(task)).map_or(0, |task| task.pages))
    }

    /// The same for one that has so many.
    fn pages_fit(&self, own: u32) -> bool {
        let most = if own == 0 { self.most_pages } else { self.most_pages / 2 };
        self.pages + MESSAGE_PAGES <= most
    }

    /// An association's messages go to another task from now on, and what it supplied unasked counts there.
    pub(super) fn move_association(&mut self, from: Option<SpaceId>, to: Option<SpaceId>, unasked: u32) {
        if let Some(to) = to
            && let Some(task) = self.tasks.get_or_insert_with(to, Task::default)
        {
            task.associations += 1;
            task.unasked += unasked;
        }
        if let Some(from) = from {
            self.change(from, |task| {
                task.associations -= 1;
                task.unasked -= unasked;
            });
        }
    }

    /// Pages that a task supplied unasked and nobody used yet.
    pub(super) fn unasked(&self, task: Option<SpaceId>) -> u32 {
        task.and_then(|task| self.tasks.get(task)).map_or(0, |task| task.unasked)
    }

    pub(super) fn count_unasked(&mut self, task: Option<SpaceId>, is_more: bool) {
        let Some(task) = task else { return };
        self.change(task, |task| task.unasked = if is_more { task.unasked + 1 } else { task.unasked - 1 });
    }

    pub(super) fn has_association(&self, task: SpaceId) -> bool {
        self.tasks.get(task).is_some_and(|task| task.associations > 0)
    }

    pub(super) fn begin_request(&mut self, task: SpaceId) -> bool {
        let of_task = self.tasks.get(task).map_or(0, |task| task.requests);
        if of_task >= TASK_REQUESTS || self.requests >= ALL_REQUESTS {
            return false;
        }
        self.requests += 1;
        if let Some(task) = self.tasks.get_or_insert_with(task, Task::default) {
            task.requests += 1;
        }
        true
    }

    pub(super) fn end_request(&mut self, task: SpaceId) {
        self.requests -= 1;
        self.change(task, |task| task.requests -= 1);
    }

    fn change(&mut self, task: SpaceId, change: impl FnOnce(&mut Task)) {
        let Some(account) = self.tasks.get_mut(task) else { return };
        change(account);
        if *account == Task::default() {
            self.tasks.remove(task);
        }
    }

    /// Whether nothing is counted any more.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.ports.is_empty() && self.tasks.is_empty()
    }
}
