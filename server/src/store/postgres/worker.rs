//! What writes events and receipts: one task for each shard. Whatever queued during its last commit goes into
//! the next transaction, so that many writers share one wait for the disk, and nobody waits for a timer.

use std::collections::HashSet;
use std::sync::Arc;

use tidewire_protocol::{ErrorCode, OpOutcome, OpResult, ReceiptUpdate, RoomId, UserId};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::append::{self, Segment};
use super::connect::Db;
use super::receipts::{self, Raises};
use crate::bus::Bus;
use crate::store::checked::Checked;
use crate::store::{Appended, StoreError};

/// Operations of one transaction: as many as one request may bring. More gain little: 32 events a
/// transaction are 16 times as many a second as one, and the shard stays locked for longer.
const GROUP: usize = 50;
/// Receipts of one transaction: one statement, whatever their number.
const RECEIPTS: usize = 500;
/// Jobs that may wait for a shard. Callers beyond it wait for a place.
const QUEUE: usize = 1_024;

/// What is to be written.
pub(super) enum Job {
    Append(Append),
    Receipts(Receipts),
}

/// The operations of one request.
pub(super) struct Append {
    pub(super) room: RoomId,
    pub(super) sender: UserId,
    pub(super) ops: Vec<Checked>,
    pub(super) reply: oneshot::Sender<Result<Appended, StoreError>>,
}

/// The receipts of one request, as far as they are this shard's.
pub(super) struct Receipts {
    pub(super) user: UserId,
    pub(super) updates: Vec<ReceiptUpdate>,
    pub(super) reply: oneshot::Sender<Result<(), StoreError>>,
}

/// Starts the task of one shard. It ends, with all done, when the sender is dropped.
pub(super) fn start(db: Db, bus: Arc<dyn Bus>) -> (mpsc::Sender<Job>, JoinHandle<()>) {
    let (jobs, mut queue) = mpsc::channel(QUEUE);
    let task = tokio::spawn(async move {
        while let Some(first) = queue.recv().await {
            let mut group = Group::default();
            group.add(first);
            while group.has_room() {
                match queue.try_recv() {
                    Ok(job) => group.add(job),
                    Err(_) => break,
                }
            }
            let (db, bus) = (db.clone(), bus.clone());
            // On its own: a panic loses one group, not the shard. Who waits for it hears of it.
            if let Err(error) = tokio::spawn(group.write(db, bus)).await {
                tracing::error!(%error, "a group of writes was lost");
            }
        }
    });
    (jobs, task)
}

/// What goes into the next transactions.
#[derive(Default)]
struct Group {
    appends: Vec<Append>,
    ops: usize,
    receipts: Vec<Receipts>,
    raises: usize,
}

impl Group {
    fn add(&mut self, job: Job) {
        match job {
            Job::Append(append) => {
                self.ops += append.ops.len();
                self.appends.push(append);
            }
            Job::Receipts(receipts) => {
                self.raises += receipts.updates.len();
                self.receipts.push(receipts);
            }
        }
    }

    fn has_room(&self) -> bool {
        self.ops < GROUP && self.raises < RECEIPTS
    }

    async fn write(self, db: Db, bus: Arc<dyn Bus>) {
        if !self.appends.is_empty() {
            let running = self.appends.into_iter().map(Running::new).collect();
            write_appends(&db, bus.as_ref(), running).await;
        }
        if !self.receipts.is_empty() {
            write_receipts(&db, bus.as_ref(), self.receipts).await;
        }
    }
}

fn ring(bus: &dyn Bus, heads: &[(usize, u64)]) {
    // Before the answers, so that whoever has an answer finds the event.
    heads.iter().for_each(|(shard, head)| bus.ring(*shard, *head));
}

async fn write_receipts(db: &Db, bus: &dyn Bus, jobs: Vec<Receipts>) {
    let mut raises = Raises::new();
    for job in &jobs {
        job.updates.iter().for_each(|update| receipts::merge(&mut raises, &job.user, *update));
    }
    let written = receipts::run(db, &raises).await;
    match &written {
        Ok(heads) => ring(bus, heads),
        Err(error) => db.note(error),
    }
    let answer = written.map(|_| ());
    for job in jobs {
        // A caller who has gone away finds the outcome by asking again.
        let _ = job.reply.send(answer.clone());
    }
}

/// A request on its way into the log.
struct Running {
    append: Append,
    results: Vec<OpResult>,
    fresh: usize,
    begun: bool,
    failed: Option<StoreError>,
}

impl Running {
    fn new(append: Append) -> Self {
        Self { append, results: Vec::new(), fresh: 0, begun: false, failed: None }
    }

    fn is_done(&self) -> bool {
        let refused = self
            .results
            .last()
            .is_some_and(|last| matches!(last.outcome, OpOutcome::Refused { .. }));
        let all = self.begun && self.results.len() == self.append.ops.len();
        self.failed.is_some() || refused || all
    }

    fn took(&mut self, outcome: append::Outcome) {
        self.begun = true;
        match outcome {
            Ok((results, fresh)) => {
                self.results.extend(results);
                self.fresh += fresh;
            }
            Err(error) => self.failed = Some(error),
        }
    }

    fn answer(self) {
        let Self { append: Append { ops, reply, .. }, mut results, fresh, failed, .. } = self;
        // What of it is in the log is found again when the request is repeated.
        let answer = match failed {
            Some(error) => Err(error),
            None => {
                let rest = ops.iter().skip(results.len()).map(|checked| checked.op.id);
                let rest: Vec<OpResult> =
                    rest.map(|id| OpResult { id, outcome: OpOutcome::NotTried }).collect();
                results.extend(rest);
                match results.first().map(|first| &first.outcome) {
                    Some(OpOutcome::Refused { error }) if error.code == ErrorCode::NotAMember => {
                        Err(StoreError::NotAMember)
                    }
                    _ => Ok(Appended { results, fresh }),
                }
            }
        };
        let _ = reply.send(answer);
    }
}

/// Writes requests, in as many transactions as it takes: mostly one. What depends on another of the
/// group comes in the one after it.
async fn write_appends(db: &Db, bus: &dyn Bus, mut running: Vec<Running>) {
    while !running.is_empty() {
        let (mut named, mut blocked) = (HashSet::new(), HashSet::new());
        let mut which = Vec::new();
        let mut segments = Vec::new();
        for (n, run) in running.iter().enumerate() {
            let Append { room, sender, ops, .. } = &run.append;
            if blocked.contains(room) {
                continue;
            }
            let left = ops.get(run.results.len()..).unwrap_or_default();
            let count = append::together(*room, left, &mut named);
            if count < left.len() {
                blocked.insert(*room);
            }
            if count > 0 || left.is_empty() {
                which.push(n);
                let ops = left.get(..count).unwrap_or_default();
                segments.push(Segment { room: *room, sender, ops });
            }
        }
        let outcomes = write_segments(db, bus, &segments).await;
        drop(segments);
        for (n, outcome) in which.into_iter().zip(outcomes) {
            if let Some(run) = running.get_mut(n) {
                run.took(outcome);
            }
        }
        let (done, left): (Vec<Running>, Vec<Running>) =
            running.into_iter().partition(Running::is_done);
        done.into_iter().for_each(Running::answer);
        running = left;
    }
}

async fn write_segments(db: &Db, bus: &dyn Bus, segments: &[Segment<'_>]) -> Vec<append::Outcome> {
    match append::run(db, segments).await {
        Ok((outcomes, heads)) => {
            ring(bus, &heads);
            outcomes
        }
        // Something in it cannot be written, which nobody has thought of: it harms no other.
        Err(StoreError::Failed(_)) if segments.len() > 1 => {
            let mut outcomes = Vec::with_capacity(segments.len());
            for segment in segments {
                let alone = std::slice::from_ref(segment);
                outcomes.push(match append::run(db, alone).await {
                    Ok((mut outcome, heads)) => {
                        ring(bus, &heads);
                        outcome.pop().unwrap_or(Err(StoreError::NotAMember))
                    }
                    Err(error) => Err(error),
                });
            }
            outcomes
        }
        Err(error) => {
            tracing::warn!(%error, requests = segments.len(), "a commit failed");
            db.note(&error);
            segments.iter().map(|_| Err(error.clone())).collect()
        }
    }
}
