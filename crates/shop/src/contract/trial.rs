//! For tests: the ways in which a field of a request can be wrong, and whether
//! an answer is what the contract says.

use serde_json::{Value, json};
use tillgate_identity::password;
use tillgate_kernel::Language;

use super::document::characters_max;
use super::{Contract, Field, MemberKind, Shape};
use crate::form::{EMAIL_CHARACTERS_MAX, Fault};

const LANGUAGE: Language = Language::Ru;

/// A text that is too long, in the form of the field otherwise.
fn too_long(shape: Shape, most: usize) -> String {
    match shape {
        Shape::Email => format!("{}@example.org", "a".repeat(EMAIL_CHARACTERS_MAX)),
        Shape::Phone => "7".repeat(most + 1),
        Shape::Text(_)
        | Shape::Username(_)
        | Shape::Password
        | Shape::Id(_)
        | Shape::Switch
        | Shape::Choice(_)
        | Shape::Order
        | Shape::Whole(..)
        | Shape::Amount
        | Shape::Cost
        | Shape::Day
        | Shape::Hour
        | Shape::Object(_)
        | Shape::Objects(..) => "a".repeat(most + 1),
    }
}

const fn is_text(shape: Shape) -> bool {
    !matches!(
        shape,
        Shape::Switch
            | Shape::Whole(..)
            | Shape::Amount
            | Shape::Cost
            | Shape::Object(_)
            | Shape::Objects(..)
    )
}

/// The values that a field does not take: what is tried, the value, and what is
/// said of it in Russian.
pub fn wrong_values(field: &Field) -> Vec<(&'static str, Value, String)> {
    let shape = field.shape;
    let said = |fault: Fault| fault.text(LANGUAGE);
    let not_of_type = match shape {
        Shape::Whole(least, most) => Fault::NotWhole(least, most),
        Shape::Amount | Shape::Cost => Fault::NotAnAmount,
        Shape::Switch => Fault::NotASwitch,
        Shape::Object(_) | Shape::Objects(..) => Fault::NotObjects,
        Shape::Text(_)
        | Shape::Username(_)
        | Shape::Email
        | Shape::Phone
        | Shape::Password
        | Shape::Choice(_)
        | Shape::Id(_)
        | Shape::Day
        | Shape::Hour
        | Shape::Order => Fault::NotText,
    };
    let mut all = vec![("a list of texts", json!(["Анна"]), said(not_of_type))];
    if !matches!(shape, Shape::Switch) {
        all.push(("a switch", json!(true), said(not_of_type)));
    }
    if !matches!(shape, Shape::Object(_)) {
        all.push(("an object", json!({"a": 1}), said(not_of_type)));
    }
    if field.is_required {
        all.push(("null", Value::Null, said(Fault::Missing)));
    }
    if is_text(shape) {
        all.push(("a number", json!(7), said(Fault::NotText)));
        if field.is_required {
            all.push(("empty", json!(""), said(Fault::Missing)));
        }
    } else {
        all.push(("a text", json!("7"), said(not_of_type)));
    }
    if is_text(shape) && !matches!(shape, Shape::Password) {
        all.push(("a control character", json!("a\u{7}b"), said(Fault::HasControlCharacters)));
        all.push(("a direction mark", json!("a\u{202e}b"), said(Fault::HasControlCharacters)));
    }
    if let Some(most) = characters_max(shape) {
        all.push(("too long", json!(too_long(shape, most)), said(Fault::TooLong(most))));
    }
    all.extend(of_shape(shape));
    all
}

/// What only values of this form can have wrong.
fn of_shape(shape: Shape) -> Vec<(&'static str, Value, String)> {
    let said = |fault: Fault| fault.text(LANGUAGE);
    let mut all = Vec::new();
    match shape {
        Shape::Password => debug_assert!(characters_max(shape) == Some(password::CHARACTERS_MAX)),
        Shape::Choice(words) => all.push(("another", json!("x"), said(Fault::NotAChoice(words)))),
        Shape::Id(_) => all.push(("a space", json!("a b"), said(Fault::NotAnId))),
        Shape::Order => all.push(("eleven digits", json!("48299301175"), said(Fault::NotAnOrder))),
        Shape::Whole(least, most) => {
            for (what, value) in [("a fraction", json!(1.5)), ("below zero", json!(-1))] {
                all.push((what, value, said(Fault::NotWhole(least, most))));
            }
            all.push(("too large", json!(most + 1), said(Fault::NotWhole(least, most))));
        }
        Shape::Amount => {
            all.push(("three decimals", json!(1.005), said(Fault::NotAnAmount)));
            for (what, value) in [
                ("nothing", json!(0)),
                ("below zero", json!(-10)),
                ("too much", json!(1_000_000_000)),
            ] {
                all.push((what, value, said(Fault::AmountOutOfRange)));
            }
        }
        Shape::Cost => {
            all.push(("three decimals", json!(1.005), said(Fault::NotAnAmount)));
            for (what, value) in [("below zero", json!(-10)), ("too much", json!(1_000_000_000))] {
                all.push((what, value, said(Fault::CostOutOfRange)));
            }
        }
        Shape::Day => {
            for (what, value) in [("no such day", "31.02.2026"), ("another form", "2026-11-29")] {
                all.push((what, json!(value), said(Fault::NotADay)));
            }
        }
        Shape::Hour => {
            for (what, value) in [("no such time", "24:10"), ("another form", "1 pm")] {
                all.push((what, json!(value), said(Fault::NotAnHour)));
            }
        }
        Shape::Objects(_, most) => {
            all.push(("none", json!([]), said(Fault::WrongCount(most))));
            all.push(("too many", json!(vec![json!({}); most + 1]), said(Fault::WrongCount(most))));
        }
        Shape::Text(_)
        | Shape::Username(_)
        | Shape::Email
        | Shape::Phone
        | Shape::Switch
        | Shape::Object(_) => {}
    }
    all
}

/// Fails unless an answer has exactly the members of the body with this name.
pub fn fits(contract: &Contract, name: &str, answer: &Value) {
    let body = contract.bodies.iter().find(|body| body.name == name).expect("a body");
    let object = answer.as_object().expect("an object");
    let is_named = |key: &String| body.members.iter().any(|member| member.name == key);
    assert!(object.keys().all(is_named), "{name}: {answer}");
    for member in body.members {
        let value = &object[member.name];
        let is_right = match member.kind {
            MemberKind::Text | MemberKind::Time => value.is_string(),
            MemberKind::TextOrNull | MemberKind::TimeOrNull => value.is_string() || value.is_null(),
            MemberKind::Switch => value.is_boolean(),
            MemberKind::Whole | MemberKind::Amount => value.is_number(),
            MemberKind::AmountOrNull | MemberKind::WholeOrNull => {
                value.is_number() || value.is_null()
            }
            MemberKind::Texts => {
                value.as_array().is_some_and(|all| all.iter().all(Value::is_string))
            }
            MemberKind::WholesOrNull => {
                let is_whole = |all: &Vec<Value>| all.iter().all(Value::is_u64);
                value.is_null() || value.as_array().is_some_and(is_whole)
            }
            MemberKind::One(inner) => {
                fits(contract, inner, value);
                true
            }
            MemberKind::OneOrNull(inner) => {
                if !value.is_null() {
                    fits(contract, inner, value);
                }
                true
            }
            MemberKind::ListOf(inner) => {
                let items = value.as_array().expect("a list");
                items.iter().for_each(|item| fits(contract, inner, item));
                true
            }
        };
        assert!(is_right, "{name}: {}: {value}", member.name);
    }
}
