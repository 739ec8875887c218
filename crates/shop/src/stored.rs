//! All kinds of documents and all lanes of the shop's services, and how long
//! documents are kept.

use std::time::Duration;

use tillgate_identity::session;
use tillgate_kernel::outbox::{Delivery, Lane};
use tillgate_kernel::{Document, Kind};

use crate::auth::client::Client;
use crate::auth::limits::{Attempts, OF_ACCOUNT};
use crate::auth::link::Link;
use crate::auth::login_name::LoginName;
use crate::auth::session::Session;
use crate::billing::account::Account;
use crate::billing::transfer::Transfer;
use crate::bus::Service;
use crate::delivery::addressee::Addressee;
use crate::delivery::booking::Booking;
use crate::delivery::plan::Plan;
use crate::menu::categories::Categories;
use crate::menu::limits::Limits;
use crate::menu::picture::Picture;
use crate::menu::product::Product;
use crate::notification::notice::Notice;
use crate::notification::recipient::Recipient;
use crate::notification::take::{MAIL, SMS};
use crate::orchestra::saga::Saga;
use crate::order::shop_order::{Baskets, ShopOrder};
use crate::outlets::Outlets;
use crate::payment::payer::Payer;
use crate::payment::shop_payment::ShopPayment;
use crate::reservation::Reservation;
use crate::store::hold::Hold;
use crate::sweeper::Swept;

pub const KINDS: [Kind; 23] = [
    Client::KIND,
    Session::KIND,
    Attempts::KIND,
    LoginName::KIND,
    Link::KIND,
    Recipient::KIND,
    Notice::KIND,
    Account::KIND,
    Transfer::KIND,
    Product::KIND,
    Picture::KIND,
    Categories::KIND,
    Outlets::KIND,
    Limits::KIND,
    ShopOrder::KIND,
    Baskets::KIND,
    Hold::KIND,
    Plan::KIND,
    Booking::KIND,
    Addressee::KIND,
    Saga::KIND,
    ShopPayment::KIND,
    Payer::KIND,
];

pub const LANES: [Lane; 10] = [
    Service::Auth.lane(),
    Service::Billing.lane(),
    Service::Notification.lane(),
    Service::Order.lane(),
    Service::Payment.lane(),
    Service::Orchestra.lane(),
    Service::Store.lane(),
    Service::Delivery.lane(),
    MAIL,
    SMS,
];

const DAY: Duration = Duration::from_secs(24 * 3600);

/// How long a message is kept after an operator has dropped it.
const DROPPED_MESSAGES_DAYS: u32 = 7;

/// A message that is taken again this late would send its letter again.
const NOTICES_DAYS: u32 = 90;

/// A CONFIRM that comes after its REVERSE this late would take goods.
const TOMBSTONES_DAYS: u32 = 90;

/// What is deleted, and when.
#[must_use]
pub fn swept() -> Vec<Swept> {
    let messages = LANES.map(|lane| Swept {
        list: Delivery::dropped_list(lane),
        kept_for: DAY * DROPPED_MESSAGES_DAYS,
    });
    let documents = [
        Swept { list: Session::all(), kept_for: DAY * session::DAYS_MAX },
        Swept { list: Attempts::all(), kept_for: OF_ACCOUNT.forgotten_after * 2 },
        // They are listed under the time when they end.
        Swept { list: Link::all(), kept_for: Duration::ZERO },
        Swept { list: Notice::all(), kept_for: DAY * NOTICES_DAYS },
        Swept { list: Hold::over(), kept_for: DAY * TOMBSTONES_DAYS },
        Swept { list: Booking::over(), kept_for: DAY * TOMBSTONES_DAYS },
        Swept { list: ShopPayment::marks(), kept_for: DAY * TOMBSTONES_DAYS },
        Swept { list: Saga::over(), kept_for: DAY * TOMBSTONES_DAYS },
    ];
    // Nobody has asked for them again while their notice was there.
    let dead =
        LANES.map(|lane| Swept { list: Delivery::dead_list(lane), kept_for: DAY * NOTICES_DAYS });
    documents.into_iter().chain(messages).chain(dead).collect()
}
