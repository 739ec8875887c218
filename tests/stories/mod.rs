//! Scenarios over real HTTP.

mod admin;
mod attacks;
mod bad_input;
mod buyers;
mod by_hand;
mod cabinet;
mod changes;
mod channel;
mod claims;
mod cluster;
mod copies;
mod crash;
mod deliveries;
mod disk;
mod documents;
mod failover;
mod fulfilment;
mod hooks;
mod lists;
mod merchants;
mod money_by_hand;
mod moving;
mod operation;
mod payments;
mod pickers;
mod privacy;
mod proofs;
mod refunds;
pub mod retention;
mod sandbox;
mod senders;
mod shipments;
#[cfg(feature = "shop")]
mod shop;
#[cfg(feature = "shop")]
mod shop_goods;
#[cfg(feature = "shop")]
mod shop_money;
#[cfg(feature = "shop")]
mod shop_orders;
#[cfg(feature = "shop")]
mod shop_paying;
#[cfg(feature = "shop")]
mod shop_services;
mod stored;
mod validation;
mod wire;
mod yookassa;
