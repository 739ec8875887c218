//! All kinds of documents and all lanes of the shop's services.

use tillgate_kernel::outbox::Lane;
use tillgate_kernel::{Document, Kind};

use crate::auth::client::Client;
use crate::auth::limits::Attempts;
use crate::auth::link::Link;
use crate::auth::login_name::LoginName;
use crate::auth::session::Session;
use crate::bus::Service;
use crate::notification::notice::Notice;
use crate::notification::recipient::Recipient;
use crate::notification::take::MAIL;

pub const KINDS: [Kind; 7] = [
    Client::KIND,
    Session::KIND,
    Attempts::KIND,
    LoginName::KIND,
    Link::KIND,
    Recipient::KIND,
    Notice::KIND,
];

pub const LANES: [Lane; 3] = [Service::Auth.lane(), Service::Notification.lane(), MAIL];
