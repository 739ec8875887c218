//! What the operator sees of payments.

use serde::{Deserialize, Serialize};
use tillgate_kernel::{Money, Timestamp};
use tillgate_store::{Cursor, Scan, Unavailable};

use super::Payment;
use super::ledger::payment_id;
use super::shop_payment::ShopPayment;
use crate::Refusal;

/// How many orders a page has.
pub const PAGE: usize = 100;

/// A payment that a person must see to.
#[derive(Debug, Serialize, Deserialize)]
pub struct Owed {
    pub order: String,
    pub payment: String,
    pub amount: Money,
    /// The gateway's number of the order.
    pub gateway_order: Option<String>,
}

/// A page of payments whose money a person must pay back.
#[derive(Debug, Serialize, Deserialize)]
pub struct OwedPage {
    pub items: Vec<Owed>,
    pub next_cursor: Option<String>,
}

/// A payment from a wallet for goods, for which no payment system makes a
/// receipt.
#[derive(Debug, Serialize, Deserialize)]
pub struct WithoutReceipt {
    pub order: String,
    pub payment: String,
    pub amount: Money,
    pub begun_at: Timestamp,
}

/// A page of payments without a receipt.
#[derive(Debug, Serialize, Deserialize)]
pub struct WithoutReceiptPage {
    pub items: Vec<WithoutReceipt>,
    pub next_cursor: Option<String>,
}

impl Payment {
    /// The payments that lack a receipt, the latest first.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub async fn without_receipt(
        &self,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<WithoutReceiptPage, Refusal> {
        let lists = vec![ShopPayment::without_receipt()];
        let limit = limit.clamp(1, PAGE);
        let scan = Scan::Lists { lists, newest_first: true, after, limit };
        let page = self.store.scan(&scan).await?;
        let mut items = Vec::new();
        for (_, stored) in &page.items {
            let payment: ShopPayment = stored.document().map_err(Unavailable::from)?;
            items.extend(payment.from_wallets().map(|attempt| WithoutReceipt {
                order: payment.order.to_string(),
                payment: payment_id(payment.order, attempt.number),
                amount: attempt.amount,
                begun_at: attempt.made_at,
            }));
        }
        Ok(WithoutReceiptPage { items, next_cursor: page.next.map(|next| next.to_string()) })
    }

    /// The payments whose refund the payment system has refused.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub async fn owed(&self, after: Option<Cursor>) -> Result<OwedPage, Refusal> {
        let lists = vec![ShopPayment::owed()];
        let scan = Scan::Lists { lists, newest_first: false, after, limit: PAGE };
        let page = self.store.scan(&scan).await?;
        let mut items = Vec::new();
        for (_, stored) in &page.items {
            let payment: ShopPayment = stored.document().map_err(Unavailable::from)?;
            items.extend(payment.unrefunded().map(|attempt| Owed {
                order: payment.order.to_string(),
                payment: payment_id(payment.order, attempt.number),
                amount: attempt.amount,
                gateway_order: attempt.link.as_ref().map(|link| link.id.clone()),
            }));
        }
        Ok(OwedPage { items, next_cursor: page.next.map(|next| next.to_string()) })
    }
}
