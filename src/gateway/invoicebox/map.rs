//! Conversion between our bills and Invoicebox's orders.

use serde_json::Number;

use super::wire;
use crate::gateway::Addresses;
use crate::kernel::money;
use crate::kernel::{Money, Timestamp};
use crate::payments::{
    Bill, Customer, CustomerKind, GoodsKind, Line, Operation, OperationKind, PaymentId,
    PaymentMethod, PaymentMode, RemoteOperation, RemoteOperationStatus, RemotePayment,
    RemotePaymentStatus,
};

/// Converts a decimal to a JSON number with the same digits.
fn number(text: &str) -> Number {
    // Whole amounts are written without ".00", as the vendor's own software
    // does.
    let text = match text.split_once('.') {
        Some((whole, fraction)) => match fraction.trim_end_matches('0') {
            "" => whole.to_owned(),
            fraction => format!("{whole}.{fraction}"),
        },
        None => text.to_owned(),
    };
    // At most 15 significant digits: a double prints them back unchanged.
    text.parse().unwrap_or_else(|_| Number::from(0))
}

fn amount(money: Money) -> Number {
    number(&money.to_string())
}

/// The numbers of what a payer can pay with, at the payment system.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MethodIds {
    pub bank_card: Option<u32>,
    pub sbp: Option<u32>,
}

impl MethodIds {
    const fn of(self, method: PaymentMethod) -> Option<u32> {
        match method {
            PaymentMethod::BankCard => self.bank_card,
            PaymentMethod::Sbp => self.sbp,
        }
    }

    /// Those that have a number.
    pub const fn known(self) -> &'static [PaymentMethod] {
        match (self.bank_card, self.sbp) {
            (None, None) => &[],
            (Some(_), None) => &[PaymentMethod::BankCard],
            (None, Some(_)) => &[PaymentMethod::Sbp],
            (Some(_), Some(_)) => &PaymentMethod::ALL,
        }
    }
}

/// Builds the request for an order. The error says what cannot be billed.
pub fn build_request(
    account: &str,
    mode: PaymentMode,
    methods: MethodIds,
    id: PaymentId,
    bill: &Bill,
    addresses: &Addresses,
) -> Result<String, String> {
    let method = bill.wishes.method.and_then(|method| methods.of(method));
    let request = wire::CreateOrder {
        merchant_id: account,
        merchant_order_id: id.to_string(),
        amount: amount(bill.total),
        success_url: &addresses.success,
        fail_url: &addresses.fail,
        return_url: &addresses.back,
        notification_url: &addresses.notification,
        vat_amount: amount(bill.vat),
        basket_items: basket(mode, bill),
        expiration_date: date(bill.expires_at),
        language_id: "ru",
        currency_id: bill.total.currency().code(),
        description: &bill.description,
        customer: customer(&bill.customer),
        payment_method_id: method,
        payment_method_id_locked: method.map(|_| true),
    };
    serde_json::to_string(&request).map_err(|why| why.to_string())
}

/// The lines of a bill.
fn basket(mode: PaymentMode, bill: &Bill) -> Vec<wire::BasketItem<'_>> {
    let mode = bill.wishes.mode.unwrap_or(mode);
    bill.lines.iter().map(|line| item(line, mode)).collect()
}

/// Builds the request that updates an order.
pub fn update(mode: PaymentMode, bill: &Bill) -> Result<String, String> {
    let request = wire::UpdateOrder {
        description: &bill.description,
        amount: amount(bill.total),
        vat_amount: amount(bill.vat),
        expiration_date: date(bill.expires_at),
        basket_items: basket(mode, bill),
        customer: customer(&bill.customer),
    };
    serde_json::to_string(&request).map_err(|why| why.to_string())
}

/// Compares an order with the `bill` to which it was updated. Returns the name
/// of a field that still has another value, if there is one.
pub fn kept(order: &wire::Order, bill: &Bill) -> Option<&'static str> {
    let differs = |shown: Option<&String>, wanted: &str| {
        shown.is_some_and(|shown| shown.trim().to_lowercase() != wanted.trim().to_lowercase())
    };
    let email = order.customer.as_ref().and_then(|customer| customer.email.as_ref());
    if differs(order.description.as_ref(), &bill.description) {
        return Some("description");
    }
    bill.customer.email.as_ref().filter(|wanted| differs(email, wanted)).map(|_| "payer")
}

/// A time as `2020-12-22T00:00:00+00:00`, the format that the documentation
/// calls ATOM.
fn date(at: Timestamp) -> String {
    let whole = jiff::Timestamp::from_second(at.as_second()).unwrap_or(at);
    whole.to_string().replace('Z', "+00:00")
}

fn item(line: &Line, mode: PaymentMode) -> wire::BasketItem<'_> {
    wire::BasketItem {
        sku: line.code(),
        name: &line.name,
        measure: &line.measure,
        measure_code: &line.measure_code,
        quantity: number(&line.quantity.to_string()),
        amount: amount(line.price),
        amount_wo_vat: price_without_vat(line),
        total_amount: amount(line.total),
        total_vat_amount: amount(line.vat),
        vat_code: line.vat_code.as_str(),
        kind: match line.kind {
            GoodsKind::Commodity => "commodity",
            GoodsKind::Service => "service",
        },
        payment_type: mode.as_str(),
    }
}

/// The maximum number of decimal places of a price without tax.
const PRICE_DIGITS_MAX: u32 = 6;

/// The price of a unit without tax. The payment system checks that price
/// without tax × quantity + tax = total. Two decimal places are used if the
/// result is exact with them; otherwise as many more as are needed.
fn price_without_vat(line: &Line) -> Number {
    let net = i128::from(line.total.kopecks() - line.vat.kopecks());
    let quantity = i128::from(line.quantity.thousandths()).max(1);
    for digits in 2..=PRICE_DIGITS_MAX {
        let scale = 10_i128.pow(digits);
        // In units of 10^-digits roubles: net / 100 × scale / (quantity /
        // 1000), rounded to the nearest.
        let units = (2 * net * scale * 10 + quantity) / (2 * quantity);
        let back = (2 * units * quantity + scale * 10) / (2 * scale * 10);
        if back == net || digits == PRICE_DIGITS_MAX {
            let text =
                format!("{}.{:0width$}", units / scale, units % scale, width = digits as usize);
            return number(&text);
        }
    }
    Number::from(0)
}

fn customer(customer: &Customer) -> wire::Customer<'_> {
    let digits = |phone: &String| phone.chars().filter(char::is_ascii_digit).collect::<String>();
    wire::Customer {
        kind: match customer.kind {
            CustomerKind::Private => "private",
            CustomerKind::Legal => "legal",
        },
        name: customer.name.as_deref(),
        phone: customer.phone.as_ref().map(digits).filter(|phone| !phone.is_empty()),
        email: customer.email.as_deref(),
        vat_number: customer.vat_number.as_deref(),
        registration_address: customer.registration_address.as_deref(),
    }
}

/// Converts an Invoicebox order to our type. `may_lead_to` says whether a buyer
/// may be sent to a URL. The error says what cannot be parsed.
pub fn remote(
    order: wire::Order,
    may_lead_to: impl Fn(&str) -> bool,
) -> Result<RemotePayment, String> {
    let amount = money::from_json(&order.amount)
        .ok_or_else(|| format!("cannot parse the amount {}", order.amount))?;
    let status = match order.status.as_str() {
        "created" => RemotePaymentStatus::Created,
        "hold" => RemotePaymentStatus::Held,
        "completed" => RemotePaymentStatus::Completed,
        "expired" => RemotePaymentStatus::Expired,
        // Both spellings occur in the documentation.
        "canceled" | "cancelled" => RemotePaymentStatus::Canceled,
        _ => RemotePaymentStatus::Other(order.status),
    };
    let expires_at = order.expiration_date.as_deref().and_then(|date| date.parse().ok());
    let url = order.payment_url.filter(|url| may_lead_to(url));
    Ok(RemotePayment {
        id: order.id,
        number: order.merchant_order_id,
        account: order.merchant_id,
        amount,
        currency: order.currency_id,
        status,
        url,
        expires_at,
    })
}

/// Builds the request for an operation on the order `remote_id`.
pub fn build_operation_request(
    mode: PaymentMode,
    operation: &Operation,
    remote_id: &str,
) -> Result<String, String> {
    let basket_items = |mode| operation.lines.iter().map(move |line| item(line, mode)).collect();
    let request = match operation.kind {
        OperationKind::Refund => serde_json::to_string(&wire::CreateRefund {
            parent_id: remote_id,
            merchant_order_id: operation.id.to_string(),
            amount: amount(operation.total),
            vat_amount: amount(operation.vat),
            basket_items: basket_items(mode),
            description: operation.reason.as_deref().unwrap_or("Возврат"),
        }),
        // A shipment captures held money. It releases the rest.
        OperationKind::Capture | OperationKind::Shipment => {
            serde_json::to_string(&wire::CreateShipment {
                order_id: remote_id,
                document_number: operation.id.to_string(),
                document_date: date(operation.created_at).chars().take(10).collect(),
                // The goods are handed over, so this is no longer a prepayment.
                basket_items: basket_items(PaymentMode::FullPayment),
                is_final: true,
            })
        }
    };
    request.map_err(|why| why.to_string())
}

/// Converts an Invoicebox refund to our type.
pub fn refund(refund: wire::Refund) -> Result<RemoteOperation, String> {
    let amount = money::from_json(&refund.amount)
        .ok_or_else(|| format!("cannot parse the amount {}", refund.amount))?;
    let status = operation_status(&refund.status);
    let number = refund.merchant_order_id.unwrap_or_default();
    Ok(RemoteOperation { id: refund.id, number, amount, status })
}

/// The amount that can still be refunded. None if a line does not state its
/// part.
pub fn refundable(lines: &[wire::Refundable]) -> Option<Money> {
    let mut lines = lines.iter();
    let left = lines.try_fold(0_i64, |sum, line| {
        sum.checked_add(money::from_json(line.available_amount.as_deref()?)?.kopecks())
    });
    left.map(Money::from_kopecks)
}

/// Converts an Invoicebox shipment to our type.
pub fn shipment(shipment: wire::Shipment) -> Result<RemoteOperation, String> {
    let sum = || {
        let mut items = shipment.basket_items.iter();
        let sum = items.try_fold(0_i64, |sum, item| {
            sum.checked_add(money::from_json(&item.total_amount)?.kopecks())
        });
        sum.map(Money::from_kopecks)
    };
    let named = shipment.amount.as_deref().and_then(money::from_json);
    let amount =
        named.or_else(sum).ok_or("the shipment has no amount, and its lines cannot be added up")?;
    // A shipment takes effect when it is created. Its documents are made later.
    let status = match shipment.status.as_deref() {
        Some("canceled" | "cancelled") => RemoteOperationStatus::Canceled,
        Some(_) | None => RemoteOperationStatus::Completed,
    };
    let id = shipment.id.as_str().map_or_else(|| shipment.id.to_string(), str::to_owned);
    Ok(RemoteOperation { id, number: shipment.document_number, amount, status })
}

fn operation_status(status: &str) -> RemoteOperationStatus {
    match status {
        "completed" => RemoteOperationStatus::Completed,
        "canceled" | "cancelled" => RemoteOperationStatus::Canceled,
        _ => RemoteOperationStatus::Accepted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::Quantity;
    use crate::payments::VatCode;

    fn line(thousandths: i64, kopecks: i64, vat_code: VatCode) -> Line {
        let priced = (Quantity::from_thousandths(thousandths), Money::from_kopecks(kopecks));
        Line::priced("1".into(), "x".into(), priced.0, priced.1, vat_code).expect("a line")
    }

    #[test]
    fn amounts_keep_their_digits() {
        for kopecks in (0..10_000_000).step_by(7).chain([99_999_999_999, 100_000_000_000]) {
            let money = Money::from_kopecks(kopecks);
            let text = amount(money).to_string();
            assert_eq!(text.parse(), Ok(money), "{text}");
        }
        assert_eq!(amount(Money::from_kopecks(12_200)).to_string(), "122");
        assert_eq!(amount(Money::from_kopecks(12_350)).to_string(), "123.5");
    }

    #[test]
    fn the_price_without_tax_makes_up_the_total() {
        assert_eq!(price_without_vat(&line(3000, 12_396, VatCode::Twenty)).to_string(), "103.3");
        for kopecks in 1..3000 {
            for thousandths in [1000, 2000, 3000, 7000, 355, 1_234] {
                for code in VatCode::ALL {
                    let line = line(thousandths, kopecks, code);
                    let price = price_without_vat(&line).to_string();
                    let price =
                        crate::kernel::decimal::parse(&price, PRICE_DIGITS_MAX).expect("a decimal");
                    // Micro-roubles × thousandths, rounded to a kopeck.
                    let net = (price * thousandths + 5_000_000).div_euclid(10_000_000);
                    assert_eq!(net + line.vat.kopecks(), line.total.kopecks(), "{line:?}");
                }
            }
        }
    }
}
