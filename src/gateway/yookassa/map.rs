//! Conversion between our bills and YooKassa's payments.

use serde_json::value::RawValue;

use super::wire::{self, NUMBER};
use crate::gateway::Addresses;
use crate::kernel::Money;
use crate::kernel::money;
use crate::payments::{
    Bill, Customer, GoodsKind, Line, Operation, OperationKind, PaymentId, PaymentMethod,
    PaymentMode, Receipts, RemoteOperation, RemoteOperationStatus, RemotePayment,
    RemotePaymentStatus, VatCode,
};

/// The maximum length of the description of a payment or a line, in characters.
const TEXT_CHARS_MAX: usize = 128;

/// The options of a shop's payments.
#[derive(Debug, Clone, Copy)]
pub struct PaymentOptions {
    /// Money is held first and taken by a separate capture.
    pub manual_capture: bool,
    /// Who makes the fiscal receipts.
    pub receipts: Receipts,
    /// The payment mode on the receipts (tag 1214).
    pub payment_mode: PaymentMode,
    /// The shop's tax system: its number in the payment system's list. Needed
    /// only if the shop has several.
    pub tax_system_code: Option<u8>,
}

impl PaymentOptions {
    /// The options of one bill.
    fn of(self, bill: &Bill) -> PaymentOptions {
        let payment_mode = bill.wishes.mode.unwrap_or(self.payment_mode);
        PaymentOptions { payment_mode, ..self }
    }
}

fn amount(money: Money) -> wire::Amount {
    wire::Amount { value: money.to_string(), currency: money.currency().code().into() }
}

fn cut(text: &str) -> String {
    text.chars().take(TEXT_CHARS_MAX).collect()
}

fn numbered(number: &str) -> wire::Metadata {
    [(NUMBER.to_owned(), number.to_owned())].into()
}

fn stored(path: String, key: String, body: &impl serde::Serialize) -> Result<String, String> {
    let body = serde_json::to_string(body).and_then(RawValue::from_string);
    let body = body.map_err(|why| why.to_string())?;
    serde_json::to_string(&wire::StoredRequest { path, key, body }).map_err(|why| why.to_string())
}

/// Builds the request for a payment. The error says what cannot be billed.
pub fn build_request(
    manner: PaymentOptions,
    id: PaymentId,
    bill: &Bill,
    addresses: &Addresses,
) -> Result<String, String> {
    let request = wire::CreatePayment {
        amount: amount(bill.total),
        // SBP takes the money at once.
        capture: !manner.manual_capture || bill.wishes.method == Some(PaymentMethod::Sbp),
        payment_method_data: bill
            .wishes
            .method
            .map(|method| wire::MethodData { kind: method.as_str() }),
        confirmation: wire::NewConfirmation { kind: "redirect", return_url: &addresses.success },
        description: cut(&bill.description),
        metadata: numbered(&id.to_string()),
        receipt: receipt(manner.of(bill), &bill.customer, &bill.lines, Stage::Paid)?,
    };
    stored("payments".into(), id.to_string(), &request)
}

/// The moment for which a receipt is made.
#[derive(Clone, Copy)]
enum Stage {
    /// The money was paid, the goods are not handed over yet.
    Paid,
    /// The goods are handed over.
    HandedOver,
}

fn receipt<'a>(
    manner: PaymentOptions,
    customer: &'a Customer,
    lines: &[Line],
    stage: Stage,
) -> Result<Option<wire::Receipt<'a>>, String> {
    // YooKassa sends its own receipts only by e-mail.
    let has_phone = match manner.receipts {
        Receipts::None => return Ok(None),
        Receipts::Own => true,
        Receipts::PaymentSystem => false,
    };
    let phone = customer.phone.as_ref().filter(|_| has_phone);
    if customer.email.is_none() && phone.is_none() {
        let needed = if has_phone { "email or phone" } else { "email" };
        return Err(format!("the receipt needs the customer's {needed}"));
    }
    let digits = |phone: &String| phone.chars().filter(char::is_ascii_digit).collect::<String>();
    let customer = wire::Customer {
        full_name: customer.name.as_deref(),
        inn: customer.vat_number.as_deref(),
        email: customer.email.as_deref(),
        phone: phone.map(digits).filter(|phone| !phone.is_empty()),
    };
    let mode = match stage {
        Stage::Paid => manner.payment_mode,
        Stage::HandedOver => PaymentMode::FullPayment,
    };
    let items = lines.iter().map(|line| item(line, mode)).collect();
    Ok(Some(wire::Receipt { customer, items, tax_system_code: manner.tax_system_code }))
}

fn item(line: &Line, mode: PaymentMode) -> wire::Item {
    // YooKassa computes a line's sum as price × quantity, without rounding.
    let line = &line.with_exact_price();
    wire::Item {
        description: cut(&line.name),
        quantity: line.quantity.to_string(),
        amount: amount(line.price),
        vat_code: vat_code(line.vat_code),
        payment_mode: mode.as_str(),
        payment_subject: match line.kind {
            GoodsKind::Commodity => "commodity",
            GoodsKind::Service => "service",
        },
        measure: measure(&line.measure_code),
    }
}

/// The number of a tax rate in the payment system's list.
fn vat_code(code: VatCode) -> u8 {
    match code {
        VatCode::None => 1,
        VatCode::Zero => 2,
        VatCode::Ten => 3,
        VatCode::Twenty => 4,
        VatCode::Five => 7,
        VatCode::Seven => 8,
        VatCode::TwentyTwo => 11,
        VatCode::TenAdded => 5,
        VatCode::TwentyAdded => 6,
        VatCode::FiveAdded => 9,
        VatCode::SevenAdded => 10,
        VatCode::TwentyTwoAdded => 12,
    }
}

/// The payment system's name for a unit of the OKEI classifier. Units without a
/// name there are left out.
fn measure(okei: &str) -> Option<&'static str> {
    match okei {
        "796" => Some("piece"),
        "163" => Some("gram"),
        "166" => Some("kilogram"),
        "168" => Some("ton"),
        "006" => Some("meter"),
        "111" => Some("milliliter"),
        "112" => Some("liter"),
        _ => None,
    }
}

/// Builds the request for an operation on the payment `remote_id`, which was
/// created for `bill`. The error says why it cannot be requested.
pub fn build_operation_request(
    manner: PaymentOptions,
    operation: &Operation,
    bill: &Bill,
    remote_id: &str,
) -> Result<String, String> {
    let key = operation.id.to_string();
    let manner = manner.of(bill);
    let receipt = |stage| receipt(manner, &bill.customer, &operation.lines, stage);
    match operation.kind {
        OperationKind::Refund => {
            let request = wire::CreateRefund {
                payment_id: remote_id,
                amount: amount(operation.total),
                description: cut(operation.reason.as_deref().unwrap_or("Возврат")),
                metadata: numbered(&key),
                receipt: receipt(Stage::Paid)?,
            };
            stored("refunds".into(), key, &request)
        }
        OperationKind::Capture => {
            let request =
                wire::Capture { amount: amount(operation.total), receipt: receipt(Stage::Paid)? };
            stored(format!("payments/{remote_id}/capture"), key, &request)
        }
        OperationKind::Shipment => match receipt(Stage::HandedOver)? {
            Some(receipt) => {
                let settlements =
                    [wire::Settlement { kind: "prepayment", amount: amount(operation.total) }];
                let (kind, send) = ("payment", true);
                let request =
                    wire::CreateReceipt { kind, payment_id: remote_id, send, receipt, settlements };
                stored("receipts".into(), key, &request)
            }
            None => Err("receipts = \"none\": no receipts are made for this shop".into()),
        },
    }
}

fn sum(amount: &wire::AmountMade) -> Result<Money, String> {
    money::from_json(&amount.value)
        .ok_or_else(|| format!("cannot parse the amount {}", amount.value))
}

/// Converts a YooKassa payment to our type. `may_lead_to` says whether a buyer
/// may be sent to a URL. The error says what cannot be parsed.
pub fn remote(
    payment: wire::Payment,
    may_lead_to: impl Fn(&str) -> bool,
) -> Result<RemotePayment, String> {
    let amount = sum(&payment.amount)?;
    let reason = payment.cancellation_details.map(|details| details.reason);
    let status = match payment.status.as_str() {
        "pending" => RemotePaymentStatus::Created,
        "waiting_for_capture" => RemotePaymentStatus::Held,
        "succeeded" => RemotePaymentStatus::Completed,
        "canceled" if reason.as_deref().is_some_and(|reason| reason.starts_with("expired_on_")) => {
            RemotePaymentStatus::Expired
        }
        "canceled" => RemotePaymentStatus::Canceled,
        _ => RemotePaymentStatus::Other(payment.status),
    };
    Ok(RemotePayment {
        id: payment.id,
        number: wire::number_in(payment.metadata.as_deref()).unwrap_or_default(),
        account: payment.recipient.map(|recipient| recipient.account_id).unwrap_or_default(),
        amount,
        currency: payment.amount.currency,
        status,
        url: payment
            .confirmation
            .and_then(|there| there.confirmation_url)
            .filter(|url| may_lead_to(url)),
        expires_at: payment.expires_at.and_then(|date| date.parse().ok()),
    })
}

fn operation_status(status: &str) -> RemoteOperationStatus {
    match status {
        "succeeded" => RemoteOperationStatus::Completed,
        "canceled" => RemoteOperationStatus::Canceled,
        _ => RemoteOperationStatus::Accepted,
    }
}

/// Converts a YooKassa refund to our type.
pub fn refund(refund: wire::Refund) -> Result<RemoteOperation, String> {
    Ok(RemoteOperation {
        number: wire::number_in(refund.metadata.as_deref()).unwrap_or_default(),
        amount: sum(&refund.amount)?,
        status: operation_status(&refund.status),
        id: refund.id,
    })
}

/// The outcome of the capture `number`, read from its payment. None if nothing
/// was captured.
pub fn capture(payment: &wire::Payment, number: &str) -> Result<Option<RemoteOperation>, String> {
    let status = match payment.status.as_str() {
        "succeeded" => RemoteOperationStatus::Completed,
        "canceled" => RemoteOperationStatus::Canceled,
        _ => return Ok(None),
    };
    let amount = sum(&payment.amount)?;
    Ok(Some(RemoteOperation { id: payment.id.clone(), number: number.to_owned(), amount, status }))
}

/// Converts a receipt of handed-over goods to our type. None if it is another
/// kind of receipt. It does not carry our number, but a payment has only one
/// such receipt.
pub fn shipment(
    receipt: wire::ReceiptMade,
    number: &str,
) -> Result<Option<RemoteOperation>, String> {
    if !receipt.items.iter().any(|item| item.payment_mode.as_deref() == Some("full_payment")) {
        return Ok(None);
    }
    let settled = receipt.settlements.first().ok_or("the receipt has no settlements")?;
    // The receipt counts as soon as it is accepted. The fiscal operator
    // confirms it later.
    let status = match receipt.status.as_str() {
        "canceled" => RemoteOperationStatus::Canceled,
        _ => RemoteOperationStatus::Completed,
    };
    Ok(Some(RemoteOperation {
        id: receipt.id,
        number: number.to_owned(),
        amount: sum(&settled.amount)?,
        status,
    }))
}
