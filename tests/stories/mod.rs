//! What happens to a shop, told over real HTTP.

mod admin;
mod bad_input;
mod buyers;
mod changes;
mod cluster;
mod copies;
mod crash;
mod deliveries;
mod hooks;
mod merchants;
mod moving;
mod operation;
mod payments;
mod pickers;
mod refunds;
mod retention;
mod sandbox;
mod stored;
mod yookassa;
