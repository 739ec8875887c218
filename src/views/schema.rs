//! How our own kinds of text are described in the API's document: each once, so that every field of its type says the same.

/// Describes a type that travels as text: its name, what it is, the pattern of its text and, unless everybody should make
/// up their own, an example.
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

/// Describes a type that travels as one of a few words.
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
use crate::payments::{OperationId, PaymentId, VatCode};

word_schema!(
    State,
    "OrderState",
    "The one word for where an order stands: the last of these that holds.",
    State::ALL.map(State::as_str)
);
word_schema!(
    VatCode,
    "VatCode",
    "The rate of value added tax that is inside a price, in the words of payment systems and merchants alike. The tax is the same\nwith `_ADDED` and without: it tells the receipt that the rate is reckoned from the sum, as it is for advances.",
    VatCode::ALL.map(VatCode::as_str)
);
text_schema!(
    PaymentId,
    "PaymentId",
    "A payment: its order and the attempt.",
    "^[1-9][0-9]{11}-[0-9]{1,9}$",
    "482993011752-1"
);
text_schema!(
    OperationId,
    "OperationId",
    "A refund or capture: its payment, and a count.",
    "^[1-9][0-9]{11}-[0-9]{1,9}-[0-9]{1,9}$",
    "482993011752-1-1"
);

/// What [`crate::kernel::Money`] is in the document: the kernel knows no OpenAPI, so a field names it by `value_type`.
pub struct MoneyText;

/// The same for [`crate::kernel::Quantity`].
pub struct QuantityText;

/// The same for [`crate::kernel::ExternalId`].
pub struct ExternalIdText;

text_schema!(
    MoneyText,
    "Money",
    "A sum in roubles, tax included: a decimal with at most two places.",
    r"^[0-9]{1,9}(\.[0-9]{1,2})?$",
    "129.90"
);
text_schema!(
    QuantityText,
    "Quantity",
    "How much of something: a decimal with at most three places.",
    r"^(0\.([1-9][0-9]{0,2}|0[1-9][0-9]?|00[1-9])|[1-9][0-9]{0,8}(\.[0-9]{1,3})?)$",
    "2"
);
text_schema!(Number, "Number", "Our number of an order: twelve digits.", "^[1-9][0-9]{11}$", "482993011752");
text_schema!(
    ExternalIdText,
    "MerchantOrderId",
    "Your number of an order: from 1 to 255 bytes without control characters.",
    r"^[^\x00-\x1f\x7f-\x9f]{1,255}$",
    "A-1001"
);
