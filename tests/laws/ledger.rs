//! The laws of the ledger, on every engine: what is spent is there, what is
//! done twice is done once, and all accounts together are zero.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use tempfile::TempDir;
use tillgate::kernel::{Clock, Money};
use tillgate::store::memory::Memory;
use tillgate::store::postgres::{Migration, Postgres};
use tillgate::store::sled::Sled;
use tillgate::store::{CounterChange, CounterKey, Store};
use tillgate_shop::Refusal;
use tillgate_shop::billing::Billing;
use tillgate_shop::billing::account_name::AccountName;
use tillgate_shop::billing::books::{Added, Books};
use tillgate_shop::billing::charge::Charge;
use tillgate_shop::billing::credit::Credit;
use tillgate_shop::billing::token_id::TokenId;
use tillgate_shop::billing::verb::Verb;
use tillgate_shop::form::Form;
use tillgate_shop::order_id::OrderId;
use tillgate_shop::seal::MasterKeys;
use tillgate_shop::service_client::ServiceClient;
use tillgate_shop::sessions::Sessions;
use tillgate_shop::username::{ClientNumber, Username};

use crate::world::database::Server;

/// How many verbs a random program has; more, and others, by hand:
/// `TILLGATE_STEPS`, `TILLGATE_SEED`.
const STEPS: u64 = 10_000;
const STEPS_ON_POSTGRES: u64 = 800;

/// How many do something at the same moment.
const AT_ONCE: u64 = 8;

const CACHE_BYTES: u64 = 16 << 20;

fn billing(store: Store) -> Arc<Billing> {
    let keys = MasterKeys::new([7; 32], []);
    Arc::new(Billing::new(
        store,
        Clock::System,
        keys,
        Sessions { auth: ServiceClient::of(Router::new(), "billing") },
        String::new(),
    ))
}

fn on_memory() -> Vec<Arc<Billing>> {
    vec![billing(Store::Memory(Arc::new(Memory::new(Clock::System))))]
}

fn on_sled(folder: &Path) -> Vec<Arc<Billing>> {
    let sled = Sled::open(&folder.join("data"), CACHE_BYTES, Clock::System).expect("a store");
    vec![billing(Store::Sled(Arc::new(sled)))]
}

/// Services on one database, each with a store of its own.
async fn on_postgres(count: usize) -> Vec<Arc<Billing>> {
    let address = Server::shared().new_database().await.parse().expect("an address");
    let mut services = Vec::new();
    for _ in 0..count {
        let store = Postgres::open(&address, Migration::Apply, &Clock::System).await;
        services.push(billing(Store::Postgres(Arc::new(store.expect("a store")))));
    }
    services
}

fn client(name: &str) -> ClientNumber {
    ClientNumber::of(&Username::parse(name).expect("a username"))
}

async fn credit(billing: &Billing, name: &str, key: &str, kopecks: i64) {
    let sum = Money::from_kopecks(kopecks);
    let form = format!("{{\"amount\":{sum},\"reason\":\"test\"}}");
    let credit = Credit::read(Form::of_json(form.as_bytes()).expect("JSON")).expect("fields");
    billing.credit(name, key, credit).await.expect("given");
}

/// The wallet of a client, with this money.
async fn wallet(billing: &Billing, name: &str, kopecks: i64) -> TokenId {
    let id = billing.open_wallet(client(name)).await.expect("a wallet").id;
    credit(billing, name, &format!("first-{name}"), kopecks).await;
    id
}

fn order(number: u64) -> OrderId {
    OrderId::parse(&format!("{number:012}")).expect("a number")
}

fn charge(verb: Verb, payment: &str) -> Charge {
    Charge {
        payment: payment.to_owned(),
        verb,
        client: None,
        token: None,
        order: None,
        amount: None,
        system: None,
        refund: None,
    }
}

fn hold(payment: &str, name: &str, token: TokenId, number: u64, kopecks: i64) -> Charge {
    Charge {
        client: Some(client(name)),
        token: Some(token),
        order: Some(order(number)),
        amount: Some(Money::from_kopecks(kopecks)),
        ..charge(Verb::Hold, payment)
    }
}

async fn holds(billing: &Billing, account: &AccountName) -> i64 {
    let page = billing.balances_of(vec![account.clone()]).await.expect("a balance");
    page.items[0].kopecks
}

/// All balances; they are zero together.
async fn balances(billing: &Billing) -> BTreeMap<AccountName, i64> {
    let mut all = BTreeMap::new();
    let mut after: Option<String> = None;
    loop {
        let page = billing.all_balances(after.as_deref()).await.expect("a page");
        after = page.items.last().map(|balance| balance.account.to_string());
        all.extend(page.items.into_iter().map(|balance| (balance.account, balance.kopecks)));
        if page.is_last {
            break;
        }
    }
    let sum: i128 = all.values().copied().map(i128::from).sum();
    assert_eq!(sum, 0, "{all:?}");
    for (account, kopecks) in &all {
        assert!(*kopecks >= 0 || !account.has_floor(), "{account}: {kopecks}");
    }
    all
}

/// Every balance is what the transfers give. Returns how many there are.
async fn books_are_right(billing: &Billing) -> u64 {
    let mut books = Books::new(Clock::System.now());
    let mut after = None;
    loop {
        let page = billing.transfers(after).await.expect("a page");
        page.items.iter().for_each(|transfer| books.add(transfer, &mut Added::default()));
        after = page.cursor.map(|cursor| cursor.parse().expect("a cursor"));
        if page.is_last {
            break;
        }
    }
    for (account, kopecks) in balances(billing).await {
        assert_eq!(books.sum_of(&account), i128::from(kopecks), "{account}");
    }
    assert_eq!(books.faults(), []);
    books.size().0
}

/// A hundred spends of 10.00 from 505.00 at once: fifty succeed.
async fn what_is_spent_is_there(services: Vec<Arc<Billing>>) {
    let first = Arc::clone(&services[0]);
    let token = wallet(&first, "anna", 50_500).await;
    let spends = (0..100_usize).map(|number| {
        let billing = Arc::clone(&services[number % services.len()]);
        tokio::spawn(async move {
            let spend = hold(&format!("p{number}"), "anna", token, 1, 1000);
            billing.charge(&spend).await
        })
    });
    let spends: Vec<_> = spends.collect();
    let (mut done, mut short) = (0, 0);
    for spend in spends {
        match spend.await.expect("no panic") {
            Ok(_) => done += 1,
            Err(Refusal::NotEnoughMoney { .. }) => short += 1,
            Err(other) => panic!("{other:?}"),
        }
    }
    assert_eq!((done, short), (50, 50));
    assert_eq!(holds(&first, &AccountName::Wallet(token)).await, 500);
    assert_eq!(books_are_right(&first).await, 51);
}

/// The same verbs of one payment, sent at the same moment by many.
async fn what_is_done_twice_is_done_once(services: Vec<Arc<Billing>>) {
    let first = Arc::clone(&services[0]);
    let token = wallet(&first, "anna", 10_000).await;
    let amount = Some(Money::from_kopecks(6000));
    for step in [
        hold("p1", "anna", token, 1, 6000),
        Charge { amount, ..charge(Verb::Confirm, "p1") },
        Charge { amount: Some(Money::from_kopecks(1000)), ..charge(Verb::Short, "p1") },
        charge(Verb::Reverse, "p1"),
    ] {
        let sent = (0..10_usize).map(|number| {
            let (billing, step) = (Arc::clone(&services[number % services.len()]), step.clone());
            tokio::spawn(async move { billing.charge(&step).await })
        });
        let mut answers = Vec::new();
        for sent in sent.collect::<Vec<_>>() {
            answers.push(sent.await.expect("no panic").expect("it succeeds"));
        }
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    }
    // Of a confirmation and a reversal at the same moment one comes first, and
    // nothing is left of either.
    for number in 0..20 {
        let payment = format!("race-{number}");
        let spend = hold(&payment, "anna", token, 1, 100);
        first.charge(&spend).await.expect("there is money");
        let confirm =
            Charge { amount: Some(Money::from_kopecks(100)), ..charge(Verb::Confirm, &payment) };
        let both = [confirm, charge(Verb::Reverse, &payment)].map(|step| {
            let billing = Arc::clone(services.last().expect("one"));
            tokio::spawn(async move { billing.charge(&step).await })
        });
        let [confirmed, reversed] = both;
        let confirmed = confirmed.await.expect("no panic");
        assert!(reversed.await.expect("no panic").is_ok());
        assert!(matches!(confirmed, Ok(_) | Err(Refusal::WrongState(_))), "{confirmed:?}");
    }
    assert_eq!(holds(&first, &AccountName::Wallet(token)).await, 10_000);
    assert_eq!(holds(&first, &AccountName::Sales).await, 0);
    books_are_right(&first).await;
}

/// What the model knows of a payment.
#[derive(Debug, Default, Clone)]
struct Modelled {
    brought: Option<i64>,
    is_by_system: bool,
    confirmed: Option<i64>,
    shortened: Option<i64>,
    is_reversed: bool,
}

/// What an instruction is answered with.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
enum Said {
    Done,
    NoMoney,
    Reused,
    State,
}

impl Said {
    fn of(outcome: &Result<Option<Money>, Refusal>) -> Said {
        match outcome {
            Ok(_) => Said::Done,
            Err(Refusal::NotEnoughMoney { .. }) => Said::NoMoney,
            Err(Refusal::IdReused) => Said::Reused,
            Err(Refusal::WrongState(_)) => Said::State,
            Err(other) => panic!("{other:?}"),
        }
    }
}

/// Numbers that are the same in each run (splitmix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % most
    }
}

/// One who works with a wallet of its own and with one that all share.
struct Actor {
    name: String,
    own: TokenId,
    shared: TokenId,
    number: u64,
    /// What the model says of the own wallet, of sales, and of what is owed.
    own_kopecks: i64,
    shared_spent: i64,
    sales: i64,
    owed: i64,
    payments: BTreeMap<u64, (bool, Modelled)>,
}

impl Actor {
    /// The next step: what is sent, and what the model says; `None` if others
    /// decide too.
    fn step(&mut self, dice: &mut Dice) -> (Charge, Option<Said>, u64) {
        let number = dice.below(40);
        let kopecks = (dice.below(3) + 1).cast_signed() * 100;
        let name = format!("{}-{number}", self.name);
        let is_shared = number.is_multiple_of(4);
        let is_by_system = number % 4 == 1;
        let amount = Some(Money::from_kopecks(kopecks));
        let (_, known) = self.payments.entry(number).or_insert((is_shared, Modelled::default()));
        match dice.below(4) {
            0 => {
                let sent = if is_by_system {
                    Charge {
                        client: Some(client(&self.name)),
                        order: Some(order(self.number)),
                        amount,
                        system: Some("bank".into()),
                        ..charge(Verb::Receive, &name)
                    }
                } else {
                    let (owner, token) =
                        if is_shared { ("shared", self.shared) } else { (&*self.name, self.own) };
                    hold(&name, owner, token, self.number, kopecks)
                };
                let said = match known.brought {
                    Some(brought) if brought != kopecks => Some(Said::Reused),
                    _ if known.is_reversed => Some(Said::State),
                    Some(_) => Some(Said::Done),
                    None if is_shared => None,
                    None if !is_by_system && kopecks > self.own_kopecks => Some(Said::NoMoney),
                    None => Some(Said::Done),
                };
                (sent, said, number)
            }
            1 => {
                let said = match (known.brought, known.confirmed) {
                    (_, Some(confirmed)) if confirmed != kopecks => Said::Reused,
                    _ if known.is_reversed => Said::State,
                    (_, Some(_)) => Said::Done,
                    (Some(brought), None) if kopecks <= brought => Said::Done,
                    _ => Said::State,
                };
                (Charge { amount, ..charge(Verb::Confirm, &name) }, Some(said), number)
            }
            2 => {
                let said = match (known.confirmed, known.shortened) {
                    (_, Some(shortened)) if shortened != kopecks => Said::Reused,
                    _ if known.is_reversed => Said::State,
                    (_, Some(_)) => Said::Done,
                    (Some(confirmed), None) if kopecks <= confirmed => Said::Done,
                    _ => Said::State,
                };
                (Charge { amount, ..charge(Verb::Short, &name) }, Some(said), number)
            }
            _ => (charge(Verb::Reverse, &name), Some(Said::Done), number),
        }
    }

    /// Notes what was done.
    fn note(&mut self, sent: &Charge, number: u64) {
        let kopecks = sent.amount.map_or(0, Money::kopecks);
        let (is_shared, known) = self.payments.get_mut(&number).expect("it was sent");
        let is_new = |place: &mut Option<i64>| place.replace(kopecks).is_none();
        let mut back = 0;
        match sent.verb {
            Verb::Hold if is_new(&mut known.brought) => back = -kopecks,
            Verb::Receive => {
                known.is_by_system = true;
                known.brought = Some(kopecks);
            }
            Verb::Confirm if is_new(&mut known.confirmed) => self.sales += kopecks,
            Verb::Short if is_new(&mut known.shortened) => {
                self.sales -= kopecks;
                back = kopecks;
            }
            Verb::Reverse if !known.is_reversed => {
                known.is_reversed = true;
                let of = |part: Option<i64>| part.unwrap_or_default();
                self.sales -= of(known.confirmed) - of(known.shortened);
                back = of(known.brought) - of(known.shortened);
            }
            // It was done before.
            Verb::Hold | Verb::Confirm | Verb::Short | Verb::Reverse => {}
            Verb::TopUp | Verb::Credit | Verb::Repaid => panic!("{sent:?} is not a step"),
        }
        if known.is_by_system {
            self.owed += back;
        } else if *is_shared {
            self.shared_spent -= back;
        } else {
            self.own_kopecks += back;
        }
    }
}

/// Actors do random verbs at the same moment; each answer is the model's, and
/// all accounts are zero together after each round.
async fn random_programs_agree_with_a_model(services: Vec<Arc<Billing>>, steps: u64) {
    let chosen =
        |name, usual| std::env::var(name).map_or(usual, |number| number.parse().expect("a number"));
    let (steps, seed) = (chosen("TILLGATE_STEPS", steps), chosen("TILLGATE_SEED", 7));
    let first = Arc::clone(&services[0]);
    let shared = wallet(&first, "shared", 5_000).await;
    let mut dice = Dice(seed);
    let (mut done, mut round) = (0, 0_u64);
    // Each part has other payments, so that there is always a new one.
    while done < steps {
        let mut actors = Vec::new();
        for number in 0..AT_ONCE {
            let name = format!("actor{round}n{number}");
            let own = wallet(&first, &name, 1_000).await;
            actors.push(Actor {
                name,
                own,
                shared,
                number: round * AT_ONCE + number + 1,
                own_kopecks: 1_000,
                shared_spent: 0,
                sales: 0,
                owed: 0,
                payments: BTreeMap::new(),
            });
        }
        let (sales, shared_before) = (
            holds(&first, &AccountName::Sales).await,
            holds(&first, &AccountName::Wallet(shared)).await,
        );
        for _ in 0..100 {
            let sent = actors.iter_mut().enumerate().map(|(place, actor)| {
                let (sent, said, number) = actor.step(&mut dice);
                let billing = Arc::clone(&services[place % services.len()]);
                let task = {
                    let sent = sent.clone();
                    tokio::spawn(async move { billing.charge(&sent).await })
                };
                (sent, said, number, task)
            });
            let sent: Vec<_> = sent.collect();
            for (actor, (sent, said, number, task)) in actors.iter_mut().zip(sent) {
                let answered = Said::of(&task.await.expect("no panic"));
                match said {
                    Some(said) => assert_eq!(answered, said, "{sent:?} {:?}", actor.payments),
                    None => assert!(matches!(answered, Said::Done | Said::NoMoney), "{answered:?}"),
                }
                if answered == Said::Done {
                    actor.note(&sent, number);
                }
                done += 1;
            }
            balances(&first).await;
        }
        for actor in &actors {
            let own = holds(&first, &AccountName::Wallet(actor.own)).await;
            let owed = holds(&first, &AccountName::Owed(order(actor.number))).await;
            assert_eq!((own, owed), (actor.own_kopecks, actor.owed), "{}", actor.name);
        }
        let sum = |of: fn(&Actor) -> i64| actors.iter().map(of).sum::<i64>();
        let now = holds(&first, &AccountName::Sales).await;
        assert_eq!(now - sales, sum(|actor| actor.sales));
        let now = holds(&first, &AccountName::Wallet(shared)).await;
        assert_eq!(shared_before - now, sum(|actor| actor.shared_spent));
        round += 1;
    }
    books_are_right(&first).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_spent_is_there_on_every_engine() {
    let folder = tempfile::tempdir().expect("a folder");
    what_is_spent_is_there(on_memory()).await;
    what_is_spent_is_there(on_sled(folder.path())).await;
    what_is_spent_is_there(on_postgres(1).await).await;
    what_is_spent_is_there(on_postgres(3).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_done_twice_is_done_once_on_every_engine() {
    let folder = tempfile::tempdir().expect("a folder");
    what_is_done_twice_is_done_once(on_memory()).await;
    what_is_done_twice_is_done_once(on_sled(folder.path())).await;
    what_is_done_twice_is_done_once(on_postgres(1).await).await;
    what_is_done_twice_is_done_once(on_postgres(3).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_programs_agree_with_a_model_in_memory() {
    random_programs_agree_with_a_model(on_memory(), STEPS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_programs_agree_with_a_model_on_sled() {
    let folder: TempDir = tempfile::tempdir().expect("a folder");
    random_programs_agree_with_a_model(on_sled(folder.path()), STEPS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_programs_agree_with_a_model_on_postgresql() {
    random_programs_agree_with_a_model(on_postgres(3).await, STEPS_ON_POSTGRES).await;
}

/// Whatever a sender calls a branch, its stock is not a balance.
#[tokio::test]
async fn no_name_of_a_branch_leads_to_the_books() {
    let services = on_memory();
    let billing = &services[0];
    let token = wallet(billing, "anna", 1_000).await;
    let balance = AccountName::Wallet(token).counter();
    let mut batch = tillgate::store::Batch::new();
    let article = CounterKey::named(&balance.group, balance.name.clone());
    batch.bump(article, CounterChange::Add(1_000_000));
    billing.store.commit(batch).await.expect("committed");
    assert_eq!(holds(billing, &AccountName::Wallet(token)).await, 1_000);
    books_are_right(billing).await;
}
