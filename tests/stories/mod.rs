//! What happens to a shop, told over real HTTP.

mod admin;
mod bad_input;
mod buyers;
mod by_hand;
mod cabinet;
mod changes;
mod channel;
mod cluster;
mod copies;
mod crash;
mod deliveries;
mod failover;
mod handover;
mod hooks;
mod merchants;
mod moving;
mod operation;
mod payments;
mod pickers;
mod refunds;
mod retention;
mod sandbox;
mod senders;
mod stored;
mod tidings;
mod yookassa;
