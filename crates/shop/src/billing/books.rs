//! The books, added up from all transfers and compared with the balances. Pure:
//! a program that checks a live shop reads both from it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tillgate_kernel::time::earlier;
use tillgate_kernel::{Fingerprint, Timestamp};

use super::account_name::AccountName;
use super::audit::{Audited, Balance};

/// A transfer is in the list by the time at which it was made, by the clock of
/// the process that made it, and appears when it is committed. The clocks of
/// services differ by a minute at most, otherwise they refuse each other, so
/// the end of the list is read again from so much before.
pub const OVERLAP: Duration = Duration::from_secs(150);

/// What is wrong with the books.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The accounts of a transfer get more or less together than they give.
    Unbalanced { id: Fingerprint, kopecks: i128 },
    /// An account is below zero.
    BelowZero { account: AccountName, kopecks: i64 },
    /// The balance of an account is not what the transfers give.
    Differs { account: AccountName, transfers: i128, balance: i64 },
}

/// What the transfers that were read give.
#[derive(Debug)]
pub struct Books {
    /// When the check began.
    began_at: Timestamp,
    sums: BTreeMap<AccountName, i128>,
    transfers: u64,
    /// Those that may be read again.
    recent: BTreeSet<(Timestamp, Fingerprint)>,
    faults: Vec<Fault>,
    /// By how much balances may be wrong at least and at most, as far as they
    /// were compared while they moved. A wrong one is wrong by the same in each
    /// look, so that every look narrows it.
    errors: BTreeMap<AccountName, (i128, i128)>,
}

/// What has been added to accounts since they were compared.
#[derive(Debug, Default)]
pub struct Added(BTreeMap<AccountName, (i128, i128)>);

impl Books {
    #[must_use]
    pub fn new(began_at: Timestamp) -> Books {
        Books {
            began_at,
            sums: BTreeMap::new(),
            transfers: 0,
            recent: BTreeSet::new(),
            faults: Vec::new(),
            errors: BTreeMap::new(),
        }
    }

    /// Adds a transfer. Nothing, if it was added before.
    pub fn add(&mut self, transfer: &Audited, added: &mut Added) {
        if !self.recent.insert((transfer.at, transfer.id)) {
            return;
        }
        self.transfers += 1;
        let mut sum = 0;
        for leg in &transfer.legs {
            let kopecks = i128::from(leg.kopecks);
            sum += kopecks;
            *self.sums.entry(leg.account.clone()).or_default() += kopecks;
            let (lowest, highest) = added.0.entry(leg.account.clone()).or_default();
            *lowest += kopecks.min(0);
            *highest += kopecks.max(0);
        }
        if sum != 0 {
            self.faults.push(Fault::Unbalanced { id: transfer.id, kopecks: sum });
        }
        self.forget_the_old();
    }

    /// From when on transfers are read again; none before the first one.
    #[must_use]
    pub fn read_again_from(&self) -> Option<Timestamp> {
        self.recent.last().map(|(at, _)| earlier((*at).min(self.began_at), OVERLAP))
    }

    fn forget_the_old(&mut self) {
        let Some(from) = self.read_again_from().map(|from| earlier(from, OVERLAP)) else { return };
        while self.recent.first().is_some_and(|(at, _)| *at < from) {
            self.recent.pop_first();
        }
    }

    /// How many transfers were added, and how many accounts they move.
    #[must_use]
    pub fn size(&self) -> (u64, usize) {
        (self.transfers, self.sums.len())
    }

    /// What the transfers give to an account.
    #[must_use]
    pub fn sum_of(&self, account: &AccountName) -> i128 {
        self.sums.get(account).copied().unwrap_or_default()
    }

    /// The accounts whose balance, among `balances` of all accounts, is not
    /// what the transfers give.
    #[must_use]
    pub fn differing(&self, balances: &[Balance]) -> Vec<AccountName> {
        let known: BTreeMap<&AccountName, i64> =
            balances.iter().map(|balance| (&balance.account, balance.kopecks)).collect();
        let all: BTreeSet<&AccountName> = known.keys().copied().chain(self.sums.keys()).collect();
        let differs = |account: &&AccountName| {
            i128::from(known.get(*account).copied().unwrap_or_default()) != self.sum_of(account)
        };
        all.into_iter().filter(differs).cloned().collect()
    }

    /// Compares a balance that was read after the books had the sum `before`
    /// and before what was `added` since was read: any part of that may be in
    /// it. Returns whether another look may show more.
    pub fn look(&mut self, balance: &Balance, before: i128, added: &Added) -> bool {
        let (lowest, highest) = added.0.get(&balance.account).copied().unwrap_or_default();
        let difference = i128::from(balance.kopecks) - before;
        let found = (difference - highest, difference - lowest);
        let known = self.errors.entry(balance.account.clone()).or_insert(found);
        *known = (known.0.max(found.0), known.1.min(found.1));
        let (least, most) = *known;
        least <= 0 && most >= 0 && (least, most) != (0, 0)
    }

    /// Notes the accounts whose balances are wrong. Returns by how many kopecks
    /// one of the others may be wrong without having been found out, because it
    /// moved in every look.
    pub fn judge_looks(&mut self, balances: &[Balance]) -> i128 {
        let mut widest = 0;
        for balance in balances {
            let Some((least, most)) = self.errors.get(&balance.account).copied() else { continue };
            if least > 0 || most < 0 {
                self.differs(balance);
            } else {
                widest = widest.max(-least).max(most);
            }
        }
        widest
    }

    /// Notes an account that is below zero.
    pub fn judge(&mut self, balance: &Balance) {
        if balance.kopecks < 0 && balance.account.has_floor() {
            let Balance { account, kopecks } = balance.clone();
            self.faults.push(Fault::BelowZero { account, kopecks });
        }
    }

    fn differs(&mut self, balance: &Balance) {
        let Balance { account, kopecks } = balance.clone();
        let transfers = self.sum_of(&account);
        self.faults.push(Fault::Differs { account, transfers, balance: kopecks });
    }

    /// What is wrong.
    #[must_use]
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::billing::verb::{Leg, Verb};

    fn transfer(second: u64, legs: &[(&str, i64)]) -> Audited {
        let at = tillgate_kernel::time::later(Timestamp::UNIX_EPOCH, Duration::from_secs(second));
        let leg = |(account, kopecks): &(&str, i64)| Leg {
            account: account.parse().expect("an account"),
            kopecks: *kopecks,
        };
        Audited {
            id: Fingerprint::of(&[&second.to_be_bytes()]),
            payment: second.to_string(),
            verb: Verb::Hold,
            at,
            legs: legs.iter().map(leg).collect(),
        }
    }

    fn balance(account: &str, kopecks: i64) -> Balance {
        Balance { account: account.parse().expect("an account"), kopecks }
    }

    #[test]
    fn a_wrong_balance_a_missing_one_and_one_below_zero_are_found() {
        let mut books = Books::new(Timestamp::UNIX_EPOCH);
        let mut added = Added::default();
        books.add(&transfer(1, &[("given", -500), ("wallet:7", 500)]), &mut added);
        books.add(&transfer(2, &[("wallet:7", -200), ("order:000000000001", 200)]), &mut added);
        // Read again.
        books.add(&transfer(2, &[("wallet:7", -200), ("order:000000000001", 200)]), &mut added);
        assert_eq!(books.size(), (2, 3));
        let right =
            [balance("given", -500), balance("order:000000000001", 200), balance("wallet:7", 300)];
        assert_eq!(books.differing(&right), []);
        let wrong = [balance("given", -500), balance("wallet:7", 299), balance("wallet:8", 1)];
        let names: Vec<String> = books.differing(&wrong).iter().map(ToString::to_string).collect();
        assert_eq!(names, ["wallet:7", "wallet:8", "order:000000000001"]);
        right.iter().for_each(|balance| books.judge(balance));
        assert_eq!(books.faults(), []);
        books.judge(&balance("wallet:7", -1));
        books.judge(&balance("given", -1));
        books.add(&transfer(3, &[("given", -500), ("wallet:7", 499)]), &mut added);
        let faults: Vec<_> = books.faults().to_vec();
        let is_expected = matches!(
            &faults[..],
            [Fault::BelowZero { kopecks: -1, .. }, Fault::Unbalanced { kopecks: -1, .. }]
        );
        assert!(is_expected, "{faults:?}");
    }

    #[test]
    fn a_wrong_balance_that_moves_in_every_look_is_found() {
        let mut books = Books::new(Timestamp::UNIX_EPOCH);
        books.add(&transfer(1, &[("given", -500), ("wallet:7", 500)]), &mut Added::default());
        let look = |books: &mut Books, second: u64, kopecks: i64, error: i64| {
            let before = books.sum_of(&balance("wallet:7", 0).account);
            let mut added = Added::default();
            let legs = [("given", -kopecks), ("wallet:7", kopecks)];
            books.add(&transfer(second, &legs), &mut added);
            // It was read before, or after.
            let now = i64::try_from(before).expect("small") + error;
            let now = if second.is_multiple_of(2) { now + kopecks } else { now };
            books.look(&balance("wallet:7", now), before, &added)
        };
        let mut right = Books::new(Timestamp::UNIX_EPOCH);
        right.add(&transfer(1, &[("given", -500), ("wallet:7", 500)]), &mut Added::default());
        assert!(look(&mut right, 2, 300, 0), "it may be wrong by 300");
        assert!(!look(&mut right, 3, 10, 0), "it is right");
        assert_eq!(right.judge_looks(&[balance("wallet:7", 0)]), 0);
        assert_eq!(right.faults(), []);
        // Wrong by 5: one look within a large movement does not show it.
        assert!(look(&mut books, 3, 300, 5));
        assert!(look(&mut books, 5, 20, 5));
        assert!(!look(&mut books, 7, 3, 5), "it is wrong");
        books.judge_looks(&[balance("wallet:7", 828)]);
        assert!(matches!(books.faults(), [Fault::Differs { .. }]), "{:?}", books.faults());
    }

    #[test]
    fn what_another_clock_has_stamped_is_read_again() {
        let at = |second| transfer(second, &[]).at;
        let mut books = Books::new(at(10_000));
        books.add(&transfer(13_600, &[("given", -1), ("wallet:7", 1)]), &mut Added::default());
        assert_eq!(books.read_again_from(), Some(at(10_000 - OVERLAP.as_secs())));
        books.add(&transfer(9_900, &[("given", -1), ("wallet:7", 1)]), &mut Added::default());
        books.add(&transfer(9_900, &[("given", -1), ("wallet:7", 1)]), &mut Added::default());
        assert_eq!(books.size().0, 2);
    }
}
