//! `tillgate bench`: how fast are hooks acknowledged?
//!
//! The gateway runs as in production, in separate processes, with logs in files
//! and a store on a disk. In the same run, the same generator also loads a bare
//! hyper server that answers the same requests without doing anything. The
//! ratio of the two shows the cost of the gateway, independently of the
//! machine.

mod echo;
mod error;
mod generator;
mod measure;
mod options;
mod plot;
mod report;
mod run;
mod shop;
mod target;
mod usage;
mod workload;

pub use self::error::BenchError;
use self::error::say;
pub use self::options::Options;
pub use self::run::run;
pub use self::shop::{Asked, Asks, Goods, Later, Orders, Pay, Requests, Shop, Wallet};
