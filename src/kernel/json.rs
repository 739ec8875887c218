//! JSON objects, and nothing that passes for one: serde takes a list for a struct too, field by field, and a document that
//! promises an object would promise too little.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

/// What is read of an object, and of nothing else.
#[derive(Debug)]
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Object<T>, D::Error> {
        struct Fields<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(fields))
            }
        }

        deserializer.deserialize_map(Fields(PhantomData)).map(Object)
    }
}

/// For a field that holds an object.
pub fn object<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    Object::deserialize(deserializer).map(|Object(value)| value)
}

/// For a field that holds an object or nothing.
pub fn some_object<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    Option::<Object<T>>::deserialize(deserializer).map(|value| value.map(|Object(value)| value))
}

/// For a field that holds a list of objects or nothing.
pub fn some_objects<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Vec<T>>, D::Error> {
    let values: Option<Vec<Object<T>>> = Option::deserialize(deserializer)?;
    Ok(values.map(|values| values.into_iter().map(|Object(value)| value).collect()))
}

/// For a field that holds a list of objects.
pub fn objects<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    let values: Vec<Object<T>> = Vec::deserialize(deserializer)?;
    Ok(values.into_iter().map(|Object(value)| value).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    struct Pair {
        #[serde(deserialize_with = "objects")]
        inner: Vec<One>,
    }

    #[derive(Debug, serde::Deserialize)]
    struct One {
        number: u32,
    }

    #[test]
    fn a_list_is_no_object() {
        let read = |text| serde_json::from_str::<Object<Pair>>(text);
        assert_eq!(read(r#"{"inner":[{"number":1}]}"#).expect("an object").0.inner[0].number, 1);
        for text in [r#"[[{"number":1}]]"#, r#"{"inner":[[1]]}"#, "1", "null"] {
            let why = read(text).expect_err("no object").to_string();
            assert!(why.contains("expected an object"), "{why}");
        }
        let twice = read(r#"{"inner":[],"inner":[]}"#).expect_err("twice").to_string();
        assert!(twice.contains("duplicate field"), "{twice}");
    }
}
