//! The texts of letters.

use tillgate_kernel::Language;

/// The texts of one letter. `{shop}` is not replaced here: the name is put in
/// front of the subject.
#[derive(Debug)]
pub struct Words {
    pub subject: &'static str,
    /// Paragraphs before the link.
    pub before: &'static [&'static str],
    /// The name of the link.
    pub link: &'static str,
    /// Paragraphs after it.
    pub after: &'static [&'static str],
}

/// What a letter is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic {
    Verify,
    Reset,
    AddressTaken,
    AddressChanged,
    WalletFilled,
    OrderAgreed,
    OrderFailed,
    Paid,
    NotPaid,
    MoneyBack,
}

/// The texts of a letter in a language.
#[must_use]
pub const fn words(topic: Topic, language: Language) -> &'static Words {
    match (topic, language) {
        (Topic::Verify, Language::Ru) => &Words {
            subject: "Подтвердите адрес",
            before: &["Чтобы подтвердить, что это ваш адрес, откройте ссылку и нажмите кнопку:"],
            link: "Подтвердить адрес",
            after: &[
                "Ссылка действует трое суток.",
                "Если вы у нас не регистрировались, ничего делать не нужно.",
            ],
        },
        (Topic::Verify, Language::En) => &Words {
            subject: "Confirm your address",
            before: &["To confirm that this is your address, open the link and press the button:"],
            link: "Confirm the address",
            after: &[
                "The link works for three days.",
                "If you have not registered with us, there is nothing to do.",
            ],
        },
        (Topic::Reset, Language::Ru) => &Words {
            subject: "Новый пароль",
            before: &["Чтобы задать новый пароль, откройте ссылку:"],
            link: "Задать пароль",
            after: &[
                "Ссылка действует один час и один раз.",
                "Если вы об этом не просили, ничего делать не нужно: пароль остался прежним.",
            ],
        },
        (Topic::Reset, Language::En) => &Words {
            subject: "A new password",
            before: &["To choose a new password, open the link:"],
            link: "Choose a password",
            after: &[
                "The link works for one hour, and once.",
                "If you have not asked for this, there is nothing to do: the password is the same.",
            ],
        },
        (Topic::AddressTaken, Language::Ru) => &Words {
            subject: "Кто-то указал ваш адрес",
            before: &[
                "Кто-то попробовал зарегистрироваться с вашим адресом. У вас уже есть учётная \
                 запись с этим адресом, в ней ничего не изменилось.",
                "Если это были вы, войдите по своему адресу. Забытый пароль можно задать заново:",
            ],
            link: "Забыли пароль?",
            after: &["Если это были не вы, ничего делать не нужно."],
        },
        (Topic::AddressTaken, Language::En) => &Words {
            subject: "Somebody has used your address",
            before: &[
                "Somebody has tried to register with your address. You have an account with this \
                 address already, and nothing in it has changed.",
                "If it was you, log in by your address. A forgotten password can be replaced:",
            ],
            link: "Forgotten your password?",
            after: &["If it was not you, there is nothing to do."],
        },
        (Topic::AddressChanged, Language::Ru) => &Words {
            subject: "Адрес изменён",
            before: &[
                "В вашей учётной записи теперь указан другой адрес. Это последнее письмо на \
                 прежний.",
                "Если адрес изменили не вы, сейчас же смените пароль:",
            ],
            link: "Личный кабинет",
            after: &[],
        },
        (Topic::AddressChanged, Language::En) => &Words {
            subject: "Your address was changed",
            before: &[
                "Your account has another address now. This is the last letter to the old one.",
                "If you have not changed it, change your password at once:",
            ],
            link: "My account",
            after: &[],
        },
        (Topic::WalletFilled, Language::Ru) => &Words {
            subject: "Деньги на вашем кошельке",
            before: &["Магазин пополнил ваш кошелёк. Этими деньгами можно оплатить заказ."],
            link: "Мой кошелёк",
            after: &["Такие письма можно отключить в личном кабинете."],
        },
        (Topic::WalletFilled, Language::En) => &Words {
            subject: "Money in your wallet",
            before: &["The shop has filled your wallet. You can pay for an order with it."],
            link: "My wallet",
            after: &["You can switch off such letters in your account."],
        },
        (Topic::OrderAgreed, Language::Ru) => &Words {
            subject: "Заказ принят",
            before: &["Ваш заказ подтверждён: товар за вами, и мы его собираем."],
            link: "Мой заказ",
            after: &["Пока заказ не начали собирать, его можно отменить на этой странице."],
        },
        (Topic::OrderAgreed, Language::En) => &Words {
            subject: "Your order is accepted",
            before: &["Your order is confirmed: the goods are yours, and we are picking them."],
            link: "My order",
            after: &["Until the picking begins, you can cancel the order on this page."],
        },
        (Topic::OrderFailed, Language::Ru) => &Words {
            subject: "Заказ не состоялся",
            before: &["Ваш заказ не удалось подтвердить. Если деньги уже списаны, они вернутся."],
            link: "Мой заказ",
            after: &["На этой странице заказ можно собрать заново."],
        },
        (Topic::OrderFailed, Language::En) => &Words {
            subject: "Your order was not confirmed",
            before: &["Your order could not be confirmed. Money that was taken goes back."],
            link: "My order",
            after: &["You can place the order again on this page."],
        },
        (Topic::Paid, Language::Ru) => &Words {
            subject: "Заказ оплачен",
            before: &["Мы получили оплату вашего заказа."],
            link: "Мой заказ",
            after: &[],
        },
        (Topic::Paid, Language::En) => &Words {
            subject: "Your order is paid",
            before: &["We have received the payment for your order."],
            link: "My order",
            after: &[],
        },
        (Topic::NotPaid, Language::Ru) => &Words {
            subject: "Оплата не прошла",
            before: &["Оплатить ваш заказ не получилось, деньги не списаны."],
            link: "Мой заказ",
            after: &["На этой странице можно попробовать ещё раз или выбрать другой способ."],
        },
        (Topic::NotPaid, Language::En) => &Words {
            subject: "The payment has failed",
            before: &["Your order could not be paid, and no money was taken."],
            link: "My order",
            after: &["On this page you can try again, or pay in another way."],
        },
        (Topic::MoneyBack, Language::Ru) => &Words {
            subject: "Деньги возвращаются",
            before: &[
                "Мы возвращаем деньги за ваш заказ. В кошелёк они приходят сразу, на карту и через \
                 СБП — когда их проведёт банк.",
            ],
            link: "Мой заказ",
            after: &[],
        },
        (Topic::MoneyBack, Language::En) => &Words {
            subject: "Your money goes back",
            before: &[
                "We give the money for your order back. A wallet has it at once; a card or SBP when \
                 the bank has carried it out.",
            ],
            link: "My order",
            after: &[],
        },
    }
}
