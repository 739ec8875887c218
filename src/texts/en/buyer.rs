use crate::texts::{BuyerWords, PageWords, PaymentPage};

pub const BUYERS: BuyerWords = BuyerWords {
    order: "Order",
    pay: "Pay",
    back_to_shop: "Back to the shop",
    open_payment_page: "Open the payment page",
    live_note: "This page updates by itself",
    slip_title: "Pay for your order",
    slip_text: "Point your phone's camera at the code, or open the address.",
    code_label: "QR code with the address to pay at",
};

pub fn payment_page(page: PaymentPage) -> PageWords {
    let (title, text) = match page {
        PaymentPage::Preparing => (
            "Preparing your payment",
            "The payment system is slower than usual. This page refreshes by itself.",
        ),
        PaymentPage::Closing => (
            "The order has changed",
            "The payment system still has the earlier bill open. As soon as it is closed, within \
             an hour, you can pay the new one here. Do not pay the earlier one.",
        ),
        PaymentPage::Ready => ("Pay for your order", "The button opens the payment system's page."),
        PaymentPage::Unpaid => {
            ("Not paid yet", "The payment system has confirmed no payment. You can try again.")
        }
        PaymentPage::Waiting => (
            "Waiting for confirmation",
            "As soon as the payment system confirms the payment, it will show here.",
        ),
        PaymentPage::Paid => ("Paid", "Thank you! The shop knows about your payment."),
        PaymentPage::Held => (
            "Your money is reserved",
            "Your bank holds the amount. The shop charges it when the order is ready, and never \
             more.",
        ),
        PaymentPage::Refunded => (
            "Refunded",
            "The shop has returned your payment. Your bank will credit it within a few days.",
        ),
        PaymentPage::Review => (
            "Your money has arrived",
            "The order has changed in the meantime. The shop will check the payment; do not pay \
             again.",
        ),
        PaymentPage::Expired => {
            ("The time to pay is over", "Please place the order in the shop again.")
        }
        PaymentPage::Cancelled => ("The order was cancelled", "There is nothing to pay."),
        PaymentPage::Failed => {
            ("Payment is not possible", "The shop can see what happened. Please contact the shop.")
        }
        PaymentPage::Unknown => {
            ("There is no such link", "Check the address, or open the link from the shop again.")
        }
    };
    PageWords { title, text }
}
