//! Stored data is compatible: every format that a release has written can be
//! read.

use tillgate_kernel::Document;

use super::hold::{HeldLine, Hold};
use crate::order_id::OrderId;
use crate::product_id::ProductId;
use crate::reservation::State;

fn hold(state: State) -> Hold {
    let product = ProductId::of_article("4031");
    let line = HeldLine { product, article: "4031".into(), name: "Молоко".into(), pieces: 2 };
    let is_empty = matches!(state, State::Released | State::Reversed);
    Hold {
        order: OrderId::parse("482993011752").expect("a number"),
        state,
        version: 3,
        outlet: 1,
        stock: "17".into(),
        lines: if is_empty { Vec::new() } else { vec![line] },
        taken_at: "2026-11-30T10:00:00Z".parse().expect("a time"),
        picking: None,
    }
}

fn all() -> [(&'static [u8], State); 4] {
    let until = "2026-11-30T10:15:00Z".parse().expect("a time");
    [
        (
            include_bytes!("../../../../fixtures/stored/hold/v1/preliminary.bin"),
            State::Preliminary { until },
        ),
        (include_bytes!("../../../../fixtures/stored/hold/v1/confirmed.bin"), State::Confirmed),
        (include_bytes!("../../../../fixtures/stored/hold/v1/released.bin"), State::Released),
        (include_bytes!("../../../../fixtures/stored/hold/v1/reversed.bin"), State::Reversed),
    ]
}

#[test]
fn holds_of_version_1_are_read() {
    for (bytes, state) in all() {
        assert_eq!(Hold::decode(1, bytes), Ok(hold(state)));
    }
}
