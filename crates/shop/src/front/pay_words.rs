//! The texts of the pages on which orders are paid.

use tillgate_kernel::Language;

/// The texts of one language.
#[derive(Debug)]
pub struct PayWords {
    pub title: &'static str,
    pub by_card: &'static str,
    pub other_card: &'static str,
    pub by_sbp: &'static str,
    pub by_wallet: &'static str,
    pub wallet_holds: &'static str,
    pub wallet_short: &'static str,
    pub no_means: &'static str,
    pub choose: &'static str,
    pub pay: &'static str,
    pub paid: &'static str,
    pub held: &'static str,
    pub pending: &'static str,
    pub go_on: &'static str,
    pub agreeing: &'static str,
    pub failed: &'static str,
    pub back_to_edit: &'static str,
    pub try_again: &'static str,
    pub cancel: &'static str,
    pub canceling: &'static str,
    pub too_late: &'static str,
    pub left: &'static str,
    pub of: &'static str,
    pub other_means: &'static str,
    pub money_back: &'static str,
}

const RU: PayWords = PayWords {
    title: "Выбор способа оплаты",
    by_card: "Банковской картой",
    other_card: "Другая карта",
    by_sbp: "Через систему быстрых платежей",
    by_wallet: "Из кошелька",
    wallet_holds: "на кошельке",
    wallet_short: "Денег на кошельке не хватает",
    no_means: "Сейчас оплатить нечем: магазин не принимает карты, а на кошельке не хватает денег",
    choose: "Выберите способ оплаты",
    pay: "Оплатить",
    paid: "Оплачено",
    held: "Деньги отложены банком. Нажмите «Оплатить», чтобы подтвердить заказ, до",
    pending: "Ждём оплату. Если вы уже заплатили, страница обновится сама",
    go_on: "Перейти к оплате",
    agreeing: "Подтверждаем заказ. Страница обновится сама",
    failed: "Заказ не состоялся",
    back_to_edit: "Вернуться к редактированию заказа",
    try_again: "Попробовать оплатить ещё раз",
    cancel: "Отменить заказ",
    canceling: "Отменяем заказ. Страница обновится сама",
    too_late: "Отменить заказ уже нельзя",
    left: "осталось",
    of: "из",
    other_means: "Выбрать другой способ оплаты",
    money_back: "Если деньги уже списаны, они вернутся",
};

const EN: PayWords = PayWords {
    title: "How to pay",
    by_card: "By bank card",
    other_card: "Another card",
    by_sbp: "By the faster payments system (SBP)",
    by_wallet: "From the wallet",
    wallet_holds: "in the wallet",
    wallet_short: "There is not enough money in the wallet",
    no_means: "You cannot pay now: the shop takes no cards, and the wallet holds too little",
    choose: "Choose how to pay",
    pay: "Pay",
    paid: "Paid",
    held: "The bank holds the money. Press “Pay” to confirm the order, until",
    pending: "We wait for the payment. If you have paid already, this page follows by itself",
    go_on: "Go to the payment",
    agreeing: "The order is being confirmed. This page follows by itself",
    failed: "The order was not confirmed",
    back_to_edit: "Back to editing the order",
    try_again: "Try to pay again",
    cancel: "Cancel the order",
    canceling: "The order is being cancelled. This page follows by itself",
    too_late: "The order cannot be cancelled any more",
    left: "left:",
    of: "of",
    other_means: "Choose another means of payment",
    money_back: "Money that was taken goes back",
};

/// The texts of a language.
#[must_use]
pub const fn pay_words(language: Language) -> &'static PayWords {
    match language {
        Language::Ru => &RU,
        Language::En => &EN,
    }
}
