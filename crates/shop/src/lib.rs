//! The online shop: services that know each other's messages and HTTP
//! contracts, and nothing else.
//!
//! - [`auth`]: who buys: registration, passwords, sessions, roles;
//! - [`billing`]: clients' money: wallets and gift cards, on a ledger;
//! - [`notification`]: letters to clients;
//! - [`menu`]: what the shop sells, and the search among it;
//! - [`order`]: baskets and orders;
//! - [`store`]: goods that are held for orders;
//! - [`delivery`]: how orders come to clients;
//! - [`payment`]: how orders are paid;
//! - [`orchestra`]: the agreement on an order;
//! - [`front`]: the buyers' pages.
//!
//! What services share:
//!
//! - [`bus`] carries messages from one service to another, in the [`formats`]
//!   of their contracts;
//! - [`contract`] describes what a service takes and answers, and [`openapi`]
//!   is the document of all of them;
//! - [`asked`] is a request, [`form`] reads its fields and reports all faults;
//! - [`outlets`] are the shop's places with goods, and [`stock_levels`] the
//!   counters of what each has;
//! - [`reservation`] is what a service holds for an order until it is paid;
//! - [`username`], [`order_id`], [`product_id`] and [`roubles`] are how
//!   clients, orders, products and sums are written;
//! - [`service_client`] calls another service, with an [`assertion`] of who
//!   calls; [`sessions`] asks whose session a request has, [`prices`] what
//!   products cost, [`client_orders`] what an order has, [`booked`] how it
//!   comes;
//! - [`stored`] lists what is stored, and [`sweeper`] deletes what is past its
//!   time;
//! - [`refusal`] has the errors of all services, with their texts,
//!   `order_problem` those about orders, `payment_problem` those about
//!   payments, `delivery_problem` those about deliveries;
//! - [`seal`] encrypts personal data with a key for each client.

#[cfg(test)]
mod access;
#[cfg(test)]
mod agreement;
pub mod asked;
pub mod assertion;
pub mod auth;
pub mod billing;
pub mod booked;
pub mod bus;
pub mod client_orders;
pub mod contract;
mod cookie;
pub mod delivery;
mod delivery_problem;
pub mod form;
pub mod formats;
pub mod front;
pub mod menu;
pub mod notification;
pub mod openapi;
pub mod orchestra;
pub mod order;
pub mod order_id;
mod order_problem;
pub mod outlets;
pub mod payment;
mod payment_problem;
pub mod prices;
pub mod product_id;
pub mod refusal;
pub mod reservation;
pub mod roubles;
pub mod seal;
pub mod service_client;
pub mod sessions;
pub mod stock_levels;
pub mod store;
pub mod stored;
pub mod sweeper;
pub mod username;

pub use refusal::Refusal;
