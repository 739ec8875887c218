//! What the batches of a group write, relative to what is stored. It is decided
//! in the process, by the rules that all engines share.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use tillgate_kernel::Partition;

use super::codec::{PieceRow, id_bytes, row_of, signed, unpack, unsigned};
use super::counters::CounterColumns;
use super::failed::Failed;
use super::link::Connected;
use super::outbox_rows::{LineColumns, OutboxKey};
use super::rows::{ListColumns, PageColumns, PartColumns, PieceColumns, Rows, SetColumns};
use crate::batch::{Batch, CounterChange, CounterKey, Floor, Lease, Stamped, Stored};
use crate::page::{Head, Page, PieceKey, Pieces};
use crate::place::Place;
use crate::plan::{DocWrite, Held, Writes, bumped, plan};
use crate::scan::Line;
use crate::{CommitError, Unavailable};
use tillgate_kernel::DocKey;
use tillgate_kernel::Document;
use tillgate_kernel::chance::random_bytes;
use tillgate_kernel::outbox::Delivery;
use tillgate_kernel::outbox::MessageId;
use tillgate_kernel::outbox::message_key;
use tillgate_kernel::outbox::{Claimed, Lanes, Ticket};

/// The partitions that a batch touches: a single one, except for batches in
/// tests.
pub fn partitions(batch: &Batch) -> impl Iterator<Item = Partition> {
    let of_docs = batch.docs.keys().map(|key| key.partition);
    let of_messages = batch.messages.iter().map(|message| message.id.subject);
    let of_settled = batch.settled.iter().map(|(ticket, _)| ticket.id.subject);
    of_docs.chain(of_messages).chain(of_settled)
}

/// The partition whose row receives what a batch adds to counters: its first
/// one.
fn home(batch: &Stamped) -> Partition {
    let of_docs = batch.docs.keys().next().map(|key| key.partition);
    let of_messages = || batch.messages.first().map(|(message, _)| message.id.subject);
    let of_settled = || batch.settled.first().map(|(ticket, _)| ticket.id.subject);
    of_docs.or_else(of_messages).or_else(of_settled).unwrap_or(Partition::FIRST)
}

/// A page with the changes of the group so far.
#[derive(Debug)]
struct StoredPage {
    page: Page,
    is_stored: bool,
    is_changed: bool,
}

/// What the batches of a group have written so far, on top of what is stored.
#[derive(Default)]
pub struct Group {
    pages: HashMap<Partition, StoredPage>,
    /// Pages that cannot be read.
    damaged: HashMap<Partition, Unavailable>,
    /// Pages that another transaction has locked.
    locked: HashSet<Partition>,
    /// The pieces of messages that were read. Other bodies are not inspected.
    read_pieces: HashMap<PieceRow, Vec<u8>>,
    /// Pieces to write or to delete.
    new_pieces: HashMap<PieceRow, Option<Vec<u8>>>,
    /// The fences of the claimed messages that the batches settle.
    fences: HashMap<OutboxKey, u64>,
    /// Entries of lists to add (`true`) or to remove (`false`).
    listed: BTreeMap<Line, bool>,
    outbox: BTreeMap<OutboxKey, Option<(Place, Option<Lease>)>>,
    /// Messages that were removed from the outbox index without a settlement.
    withdrawn: HashSet<OutboxKey>,
    parts: BTreeMap<(Partition, CounterKey), i64>,
    set: BTreeMap<CounterKey, i64>,
    /// The values of the counters of floors.
    balances: HashMap<CounterKey, i64>,
    /// Counters whose rows this transaction has locked, with what the batches
    /// add to them.
    kept: BTreeMap<CounterKey, i64>,
    /// Counters that were created to lock them, and that no batch has changed.
    unused: HashSet<CounterKey>,
}

impl Held for Group {
    fn head(&self, key: DocKey) -> Result<Option<Head>, Unavailable> {
        if let Some(why) = self.damaged.get(&key.partition) {
            return Err(why.clone());
        }
        Ok(self.pages.get(&key.partition).and_then(|kept| kept.page.head(key)))
    }

    fn doc(&self, key: DocKey) -> Result<Option<Stored>, Unavailable> {
        let piece = |piece: PieceKey| {
            let row = row_of(piece);
            Ok(match self.new_pieces.get(&row) {
                Some(written) => written.as_ref(),
                None => self.read_pieces.get(&row),
            })
        };
        self.pages.get(&key.partition).map_or(Ok(None), |kept| kept.page.document(key, &piece))
    }

    fn lease_holds(&self, ticket: Ticket) -> bool {
        self.fences.get(&line_of(ticket.id)) == Some(&ticket.fence)
    }

    fn counter(&self, key: &CounterKey) -> Result<i64, Unavailable> {
        Ok(self.balances.get(key).copied().unwrap_or(0)) // all of floors are here
    }
}

/// What a batch leads to that is applied to a group.
#[derive(Debug, Clone)]
pub struct Admitted {
    /// The lanes whose workers may find something to send.
    pub woken: Lanes,
    /// New messages that are leased.
    pub leased: Vec<Claimed>,
    /// The sums of its floors.
    pub sums: Vec<i64>,
}

/// The key of a message's row.
fn line_of(id: MessageId) -> OutboxKey {
    (id.subject, i64::from(id.sequence))
}

impl Group {
    /// Locks and reads what the batches are checked against.
    pub async fn read(
        connected: &Connected,
        batches: &[Batch],
        look: &[Partition],
    ) -> Result<Group, Failed> {
        let partitions: Vec<i64> = look.iter().copied().map(signed).collect();
        // Skip rows that others have locked: batches that wait for them must
        // not delay the others.
        let text = "SELECT partition, body FROM tillgate.pages WHERE partition = ANY($1) \
                    ORDER BY partition FOR UPDATE SKIP LOCKED";
        let mut group = Group::default();
        let mut not_seen: HashSet<i64> = partitions.iter().copied().collect();
        for row in connected.ask(text, &[&partitions]).await? {
            not_seen.remove(&row.get(0));
            let partition = unsigned(row.get(0));
            match unpack(partition, Some(row.get(1))) {
                Ok(page) => {
                    group
                        .pages
                        .insert(partition, StoredPage { page, is_stored: true, is_changed: false });
                }
                // Only the batches that touch the page fail with this error.
                Err(why) => {
                    group.damaged.insert(partition, why);
                }
            }
        }
        if !not_seen.is_empty() {
            let not_seen: Vec<Partition> = not_seen.into_iter().map(unsigned).collect();
            group.locked = Group::appeared(connected, &not_seen).await?;
        }
        let settled =
            || batches.iter().flat_map(|batch| &batch.settled).map(|(ticket, _)| ticket.id);
        let numbers: Vec<i64> = settled().map(|id| signed(id.subject)).collect();
        if !numbers.is_empty() {
            let sequences: Vec<i64> = settled().map(|id| i64::from(id.sequence)).collect();
            let text = "SELECT o.partition, o.sequence, o.fence FROM tillgate.outbox o \
                    JOIN unnest($1::bigint[], $2::bigint[]) AS s (partition, sequence) \
                    ON o.partition = s.partition AND o.sequence = s.sequence \
                    ORDER BY o.partition, o.sequence FOR UPDATE OF o";
            for row in connected.ask(text, &[&numbers, &sequences]).await? {
                let place = (unsigned(row.get(0)), row.get::<_, i64>(1));
                group.fences.insert(place, row.get::<_, i64>(2).cast_unsigned());
            }
        }
        // The body of a message is decoded. If it is long, its pieces are
        // needed.
        let messages = batches
            .iter()
            .flat_map(|batch| batch.docs.keys().copied())
            .chain(settled().map(message_key));
        for key in messages.filter(|key| key.kind == Delivery::KIND) {
            let head = group.pages.get(&key.partition).and_then(|kept| kept.page.head(key));
            if head.is_some_and(|head| head.pieces > 0) {
                let text = "SELECT piece, body FROM tillgate.pieces \
                            WHERE partition = $1 AND kind = $2 AND id = $3";
                let (kind, id) = (i16::from(key.kind.byte()), id_bytes(key.id));
                for row in connected.ask(text, &[&signed(key.partition), &kind, &id]).await? {
                    let number = u16::try_from(row.get::<_, i32>(0)).unwrap_or(u16::MAX);
                    group.read_pieces.insert((key, number), row.get(1));
                }
            }
        }
        Ok(group)
    }

    /// Locks and reads the counters of floors. This comes after the pages, and
    /// the counters are locked in the order of their keys, so groups do not
    /// deadlock. Those that a floor only reads are locked too: another batch
    /// with the same floor may change them.
    pub async fn read_counters(
        &mut self,
        connected: &Connected,
        batches: &[Batch],
    ) -> Result<(), Failed> {
        let floors = || batches.iter().flat_map(|batch| &batch.floors);
        let of_floors: BTreeSet<&CounterKey> = floors().flat_map(Floor::counters).collect();
        if of_floors.is_empty() {
            return Ok(());
        }
        let changes = batches.iter().flat_map(|batch| &batch.counters);
        let set = changes.filter(|(_, change)| matches!(change, CounterChange::Set(_)));
        let all: BTreeSet<&CounterKey> =
            of_floors.into_iter().chain(set.map(|(key, _)| key)).collect();
        let columns = CounterColumns::of(all.iter().copied());
        self.unused = columns.lock(connected).await?.into_iter().collect();
        self.kept = all.into_iter().map(|key| (key.clone(), 0)).collect();
        // Statements of their own: they see what was committed until the locks
        // were got.
        self.balances = columns.balances(connected).await?;
        Ok(())
    }

    /// Whether nothing was stored in a partition when the group was read.
    pub fn lacks(&self, partition: Partition) -> bool {
        !self.pages.get(&partition).is_some_and(|kept| kept.is_stored)
    }

    /// Which of these partitions have something by now.
    pub async fn appeared(
        connected: &Connected,
        partitions: &[Partition],
    ) -> Result<HashSet<Partition>, Failed> {
        let numbers: Vec<i64> = partitions.iter().copied().map(signed).collect();
        let text = "SELECT partition FROM tillgate.pages WHERE partition = ANY($1)";
        let rows = connected.ask(text, &[&numbers]).await?;
        Ok(rows.iter().map(|row| unsigned(row.get(0))).collect())
    }

    /// Whether another transaction has locked a page that the batch touches.
    pub fn is_locked(&self, batch: &Batch) -> bool {
        !self.locked.is_empty()
            && partitions(batch).any(|partition| self.locked.contains(&partition))
    }

    /// Applies a batch to the group, or returns why not.
    pub fn admit(&mut self, batch: Stamped) -> Result<Admitted, CommitError> {
        let home = home(&batch);
        let Writes { docs, counters, released, leased, woken, sums } = plan(batch, self)?;
        // Random, so that a document never gets the same version twice, even
        // from different nodes.
        let version = u64::from_be_bytes(random_bytes());
        let mut pieces = Pieces::new();
        let settled: HashSet<OutboxKey> =
            released.iter().map(|ticket| line_of(ticket.id)).collect();
        for DocWrite { key, new, struck, enlisted, old_place, new_place, lease } in docs {
            self.listed.extend(struck.into_iter().map(|line| (line, false)));
            self.listed.extend(enlisted.into_iter().map(|line| (line, true)));
            let line = (key.partition, i64::try_from(key.id).unwrap_or(i64::MAX));
            // A message that is rewritten at the same position keeps its lease:
            // do not write its row, because that would release the lease.
            if key.kind == Delivery::KIND && (old_place != new_place || settled.contains(&line)) {
                if new_place.is_none() && new.is_some() {
                    self.withdrawn.insert(line);
                } else {
                    self.withdrawn.remove(&line);
                }
                self.outbox.insert(line, new_place.map(|place| (place, lease)));
            }
            let empty = || StoredPage {
                page: Page::empty(key.partition),
                is_stored: false,
                is_changed: false,
            };
            let kept = self.pages.entry(key.partition).or_insert_with(empty);
            kept.is_changed = true;
            kept.page.write(key, version, new, &mut pieces);
        }
        for ticket in released {
            self.fences.remove(&line_of(ticket.id)); // a ticket settles once
            self.withdrawn.remove(&line_of(ticket.id));
        }
        // A piece that is written replaces a removed one of its row.
        self.new_pieces.extend(pieces.into_iter().map(|(piece, bytes)| (row_of(piece), bytes)));
        for (key, bump) in counters {
            self.unused.remove(&key);
            if let Some(balance) = self.balances.get_mut(&key) {
                *balance = bumped(*balance, bump);
            }
            match bump {
                CounterChange::Add(amount) if self.kept.contains_key(&key) => {
                    let kept = self.kept.entry(key).or_insert(0);
                    *kept = kept.saturating_add(amount);
                }
                CounterChange::Add(amount) => {
                    let part = self.parts.entry((home, key)).or_insert(0);
                    *part = part.saturating_add(amount);
                }
                CounterChange::Set(amount) => {
                    self.parts.retain(|(_, other), _| *other != key);
                    self.kept.entry(key.clone()).and_modify(|kept| *kept = 0);
                    self.set.insert(key, amount);
                }
            }
        }
        Ok(Admitted { woken, leased, sums })
    }

    /// Everything that the group writes, as rows.
    pub fn into_rows(self) -> Rows {
        let (mut new_pages, mut changed_pages) = (PageColumns::default(), PageColumns::default());
        let mut gone = Vec::new();
        let mut pages: Vec<_> =
            self.pages.into_iter().filter(|(_, kept)| kept.is_changed).collect();
        pages.sort_unstable_by_key(|(partition, _)| *partition);
        for (partition, StoredPage { page, is_stored, .. }) in pages {
            match (page.is_empty(), is_stored) {
                (true, true) => gone.push(signed(partition)),
                (true, false) => {}
                (false, true) => changed_pages.push(partition, page.pack()),
                (false, false) => new_pages.push(partition, page.pack()),
            }
        }
        let (put_pieces, cut_pieces) = PieceColumns::of(self.new_pieces);
        let (listed, unlisted) = ListColumns::of(self.listed);
        let (lines, ended) = LineColumns::of(self.outbox, &self.withdrawn);
        Rows {
            new_pages,
            changed_pages,
            gone,
            put_pieces,
            cut_pieces,
            listed,
            unlisted,
            lines,
            ended,
            parts: PartColumns::of(self.parts),
            set: SetColumns::of(self.set),
            unused: CounterColumns::of(&self.unused),
            kept: CounterColumns::of(self.kept.keys()),
            kept_amounts: self.kept.into_values().collect(),
        }
    }
}
