//! The OpenAPI schemas of our own text types. Each is described once, so that
//! every field of the type has the same description.

/// Describes a type that is serialized as text: its name, its description, the
/// pattern of its text and, unless everybody should choose their own, an
/// example.
macro_rules! text_schema {
    ($type:ty, $name:literal, $description:literal, $pattern:literal $(, $example:literal)?) => {
        impl utoipa::PartialSchema for $type {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::schema::Type::String)
                    .description(Some($description))
                    .pattern(Some($pattern))
                    $(.examples([$example]))?
                    .into()
            }
        }

        impl utoipa::ToSchema for $type {
            fn name() -> std::borrow::Cow<'static, str> {
                std::borrow::Cow::Borrowed($name)
            }
        }
    };
}

pub(crate) use text_schema;

/// Describes a type that is serialized as one of a few words.
macro_rules! word_schema {
    ($type:ty, $name:literal, $description:literal, $words:expr) => {
        impl utoipa::PartialSchema for $type {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::schema::Type::String)
                    .description(Some($description))
                    .enum_values(Some($words))
                    .into()
            }
        }

        impl utoipa::ToSchema for $type {
            fn name() -> std::borrow::Cow<'static, str> {
                std::borrow::Cow::Borrowed($name)
            }
        }
    };
}

pub(crate) use word_schema;

use crate::orders::{Number, State};
use crate::payments::{OperationId, PaymentId, PaymentMethod, PaymentMode, VatCode};

word_schema!(
    State,
    "OrderState",
    "The state of an order: of the states that apply, the last in this list.",
    State::ALL.map(State::as_str)
);
word_schema!(
    VatCode,
    "VatCode",
    "The rate of value added tax that a price includes. A code with `_ADDED` gives the same tax as \
     the one without; on the receipt it shows that the rate is computed from the total (for \
     example 20/120), as for advances.",
    VatCode::ALL.map(VatCode::as_str)
);
word_schema!(
    PaymentMethod,
    "PaymentMethod",
    "What a payer pays with: a bank card, or SBP (the faster payments system).",
    PaymentMethod::ALL.map(PaymentMethod::as_str)
);
word_schema!(
    PaymentMode,
    "PaymentMode",
    "How a fiscal receipt classifies a payment (tag 1214).",
    PaymentMode::ALL.map(PaymentMode::as_str)
);
text_schema!(
    PaymentId,
    "PaymentId",
    "The id of a payment: the order's number and the number of the attempt, from 1.",
    "^[1-9][0-9]{11}-[0-9]{1,9}$",
    "482993011752-1"
);
text_schema!(
    OperationId,
    "OperationId",
    "The id of a refund or a capture: the id of its payment and a sequence number, from 1.",
    "^[1-9][0-9]{11}-[0-9]{1,9}-[0-9]{1,9}$",
    "482993011752-1-1"
);

/// The schema of [`crate::kernel::Money`]. The kernel does not depend on
/// OpenAPI, so fields name this type by `value_type`.
pub struct MoneyText;

/// The schema of [`crate::kernel::Quantity`].
pub struct QuantityText;

/// The schema of [`crate::kernel::ExternalId`].
pub struct ExternalIdText;

text_schema!(
    MoneyText,
    "Money",
    "An amount in roubles, tax included: a decimal string with at most two places.",
    r"^[0-9]{1,9}(\.[0-9]{1,2})?$",
    "129.90"
);
text_schema!(
    QuantityText,
    "Quantity",
    "A quantity, in the unit of the article: a decimal string with at most three places.",
    r"^(0\.([1-9][0-9]{0,2}|0[1-9][0-9]?|00[1-9])|[1-9][0-9]{0,8}(\.[0-9]{1,3})?)$",
    "2"
);
text_schema!(
    Number,
    "Number",
    "The order's number at tillgate: twelve digits, the first not 0.",
    "^[1-9][0-9]{11}$",
    "482993011752"
);
text_schema!(
    ExternalIdText,
    "MerchantOrderId",
    "Your own number of the order: from 1 to 255 bytes without control characters.",
    r"^[^\x00-\x1f\x7f-\x9f]{1,255}$",
    "A-1001"
);
