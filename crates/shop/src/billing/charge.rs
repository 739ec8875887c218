//! What a service asks for: the fields of a request.

use tillgate_kernel::Money;

use super::token_id::TokenId;
use super::verb::{OPERATIONS, VERBS, Verb};
use crate::Refusal;
use crate::form::{Fault, Form};
use crate::order_id::OrderId;
use crate::username::{ClientNumber, USERNAME_CHARACTERS_MAX, Username};

/// The longest id of a payment or a refund, in characters.
pub const ID_CHARACTERS_MAX: usize = 64;

/// The longest name of a payment system, in characters.
pub const SYSTEM_CHARACTERS_MAX: usize = 32;

/// What a service asks for.
#[derive(Debug, Clone)]
pub struct Charge {
    pub payment: String,
    pub verb: Verb,
    pub client: Option<ClientNumber>,
    pub token: Option<TokenId>,
    pub order: Option<OrderId>,
    pub amount: Option<Money>,
    pub system: Option<String>,
    pub refund: Option<String>,
}

/// The fields that a verb needs, beyond the payment's id. The others may be
/// sent: they must then be those of the payment.
const fn needed(verb: Verb) -> &'static [&'static str] {
    match verb {
        Verb::Hold => &["orderId", "username", "tokenId", "amount"],
        Verb::TopUp => &["username", "tokenId", "amount", "paymentSystem"],
        Verb::Receive => &["orderId", "username", "amount", "paymentSystem"],
        Verb::Confirm | Verb::Short => &["amount"],
        Verb::Repaid => &["amount", "refundId"],
        Verb::Reverse | Verb::Credit => &[],
    }
}

impl Charge {
    /// Reads the fields of a request.
    ///
    /// # Errors
    /// All faults of the fields.
    pub fn read(mut form: Form) -> Result<Charge, Refusal> {
        let operation = form.choice("operation", OPERATIONS);
        let verb = VERBS.iter().find(|(_, name)| Some(*name) == operation).map(|(verb, _)| *verb);
        let payment = form.optional_id("paymentId", ID_CHARACTERS_MAX);
        form.need("paymentId", payment.is_some());
        let client = read_client(&mut form);
        // What a payment has no place for is refused when it begins, and not
        // when it is repeated.
        let token = if verb == Some(Verb::Receive) {
            None
        } else {
            form.optional_whole("tokenId", 1, TokenId::MAX).and_then(TokenId::new)
        };
        let order = if verb == Some(Verb::TopUp) { None } else { form.optional_order("orderId") };
        let amount = form.optional_amount("amount");
        let mut only_of = |name: &str, verbs: &[Verb], most: usize| {
            let is_taken = verb.is_none_or(|verb| verbs.contains(&verb));
            if is_taken { form.optional_id(name, most) } else { None }
        };
        let takers = [Verb::TopUp, Verb::Receive];
        let system = only_of("paymentSystem", &takers, SYSTEM_CHARACTERS_MAX);
        let refund = only_of("refundId", &[Verb::Repaid], ID_CHARACTERS_MAX);
        let needed = verb.map_or(&[][..], needed);
        for (name, is_there) in [
            ("orderId", order.is_some()),
            ("username", client.is_some()),
            ("tokenId", token.is_some()),
            ("amount", amount.is_some()),
            ("paymentSystem", system.is_some()),
            ("refundId", refund.is_some()),
        ] {
            form.need(name, is_there || !needed.contains(&name));
        }
        let read = payment.zip(verb).map(|(payment, verb)| Charge {
            payment,
            verb,
            client,
            token,
            order,
            amount,
            system,
            refund,
        });
        form.whole(read).map_err(Refusal::Fields)
    }
}

/// Reads whose account it is.
pub fn read_client(form: &mut Form) -> Option<ClientNumber> {
    let text = form.optional("username", USERNAME_CHARACTERS_MAX)?;
    let username = Username::parse(&text);
    username.as_ref().map(ClientNumber::of).or_else(|| form.refuse("username", Fault::NotAUsername))
}
