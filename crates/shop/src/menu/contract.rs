//! What the service takes and answers.

use http::StatusCode;

use crate::Refusal;
use crate::contract::{
    Answer, Body, Contract, Field, Member, MemberKind, Operation, Parameter, Place, Shape, member,
};
use crate::prices::PRICED_MAX;
use crate::product_id::ProductId;
use crate::stock_levels::{PLACE_STORE, PRODUCT_PLACE};

/// The contract of the service.
#[must_use]
pub fn contract() -> Contract {
    Contract {
        service: "menu",
        about: "What the shop sells: products, categories, search",
        operations: operations(),
        bodies: BODIES,
    }
}

const fn parameter(name: &'static str, is_required: bool, about: &'static str) -> Parameter {
    Parameter { name, place: Place::Query, is_required, about }
}

const PRODUCTS: &[Parameter] = &[
    parameter(
        "query",
        false,
        "Words of the name, the vendor or the category, each with its beginning, in any form and \
         with one typo; or an article number",
    ),
    parameter("category", false, "The number of a category: only what is in it and below it"),
    parameter("store", false, "The number of a shop: only what it has"),
    parameter("priceFrom", false, "The lowest price, in roubles"),
    parameter("priceTo", false, "The highest price, in roubles"),
    parameter(
        "sort",
        false,
        "`fit`: the best fit first, or by name without a query; `cheapest`; `dearest`",
    ),
    parameter("cursor", false, "`next_cursor` of the previous page"),
    parameter("limit", false, "How many products, at most 100; 24 without it"),
];

const PRODUCT: &[Parameter] = &[parameter("productId", true, "The number of the product")];

const BELOW: &[Parameter] =
    &[parameter("category", false, "The number of a category; the topmost ones without it")];

const PRICED: &[Field] =
    &[Field::required("productId", Shape::Whole(1, ProductId::MAX), "The number of a product")];

const PRICES: &[Field] =
    &[Field::required("items", Shape::Objects(PRICED, PRICED_MAX), "The products")];

const ID: Member = member("id", MemberKind::Whole, "Its number");
const NAME: Member = member("name", MemberKind::Text, "Its name");
const PRICE: Member = member("price", MemberKind::Amount, "In roubles");
const OLD_PRICE: Member =
    member("oldPrice", MemberKind::AmountOrNull, "What it cost before, if that was more");
const PICTURE: Member =
    member("picture", MemberKind::TextOrNull, "The address of its picture in the shop");
const ORDER_MAX: Member =
    member("orderMax", MemberKind::WholeOrNull, "The most pieces of an order");
const SOLD_FROM: Member =
    member("soldFrom", MemberKind::TextOrNull, "From which time of the day it is sold: `08:00`");
const SOLD_UNTIL: Member =
    member("soldUntil", MemberKind::TextOrNull, "Until which time of the day it is sold: `23:00`");
const PLACES: Member = member(
    "productPlaces",
    MemberKind::ListOf("ProductPlace"),
    "How much of it each shop can sell now",
);

const BODIES: &[Body] = &[
    Body {
        name: "Products",
        about: "Products on sale",
        members: &[
            member("items", MemberKind::ListOf("ProductCard"), "The products of this page"),
            member("next_cursor", MemberKind::TextOrNull, "The `cursor` of the next page"),
        ],
    },
    Body {
        name: "ProductCard",
        about: "A product in a list",
        members: &[
            ID,
            NAME,
            PRICE,
            OLD_PRICE,
            PICTURE,
            member(
                "productPlaces",
                MemberKind::ListOf("ProductPlace"),
                "How much of it each shop that has it can sell now",
            ),
        ],
    },
    PRODUCT_PLACE,
    PLACE_STORE,
    Body {
        name: "Product",
        about: "A product",
        members: &[
            ID,
            NAME,
            PRICE,
            OLD_PRICE,
            member("article", MemberKind::Text, "Its article number"),
            member("vendor", MemberKind::TextOrNull, "Who makes it"),
            member("description", MemberKind::Text, "Its description; lines end with \\n"),
            PICTURE,
            member("isOnSale", MemberKind::Switch, "Whether it can be bought"),
            ORDER_MAX,
            SOLD_FROM,
            SOLD_UNTIL,
            member("categories", MemberKind::ListOf("Category"), "Where it is, the topmost first"),
            PLACES,
        ],
    },
    Body {
        name: "Prices",
        about: "What products cost now",
        members: &[member(
            "items",
            MemberKind::ListOf("Price"),
            "Those of the products that there are",
        )],
    },
    Body {
        name: "Price",
        about: "What a product costs now",
        members: &[
            member("productId", MemberKind::Whole, "Its number"),
            NAME,
            member("article", MemberKind::Text, "Its article number"),
            PRICE,
            member("isOnSale", MemberKind::Switch, "Whether it can be bought"),
            member("vat", MemberKind::TextOrNull, "The rate of value added tax, if it is known"),
            ORDER_MAX,
            SOLD_FROM,
            SOLD_UNTIL,
            member("isSoldNow", MemberKind::Switch, "Whether it is sold at this time of the day"),
            member("stores", MemberKind::WholesOrNull, "The shops that sell it, if not all do"),
        ],
    },
    Body {
        name: "Categories",
        about: "Categories with products on sale",
        members: &[
            member(
                "above",
                MemberKind::ListOf("Category"),
                "The category itself and those above it, the topmost first",
            ),
            member("items", MemberKind::ListOf("Category"), "In the shop's order"),
        ],
    },
    Body {
        name: "Category",
        about: "A category",
        members: &[
            ID,
            NAME,
            member(
                "productCount",
                MemberKind::Whole,
                "How many products are on sale in it and below it",
            ),
        ],
    },
];

const PICTURE_ID: &[Parameter] = &[Parameter {
    name: "id",
    place: Place::Query,
    is_required: true,
    about: "What the address of the picture has before `.jpg`",
}];

fn operations() -> Vec<Operation> {
    let wrong = || Refusal::Fields(Vec::new());
    vec![
        Operation {
            parameters: PRODUCTS,
            refusals: vec![wrong(), Refusal::NotFound, Refusal::Busy],
            ..Operation::new(
                "GET",
                "/products",
                "listProducts",
                "Find products",
                Answer::with("Products", "A page of products"),
            )
        },
        Operation {
            parameters: PRODUCT,
            refusals: vec![wrong(), Refusal::NotFound, Refusal::Busy],
            ..Operation::new(
                "GET",
                "/product",
                "getProduct",
                "One product",
                Answer::with("Product", "The product"),
            )
        },
        Operation {
            parameters: BELOW,
            refusals: vec![wrong(), Refusal::NotFound, Refusal::Busy],
            ..Operation::new(
                "GET",
                "/categories",
                "listCategories",
                "The categories below one",
                Answer::with("Categories", "The categories"),
            )
        },
        Operation {
            parameters: PICTURE_ID,
            refusals: vec![wrong(), Refusal::NotFound],
            ..Operation::new(
                "GET",
                "/picture",
                "getPicture",
                "A picture of a product, as JPEG",
                Answer { status: StatusCode::OK, body: None, about: "The picture" },
            )
        },
        Operation {
            about: "It changes nothing.",
            body: Some(PRICES),
            ..Operation::new(
                "POST",
                "/price",
                "getPrices",
                "What products cost now",
                Answer::with("Prices", "The prices"),
            )
        },
    ]
}
