//! What a file says where anything may stand, each part with its place.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::yaml::Located;

/// A value whose parts know where they were written.
#[derive(Clone, Debug)]
pub(super) enum Tree {
    /// A word, a number, true, false or nothing.
    Scalar(Value),
    /// A list.
    List(Vec<Located<Tree>>),
    /// A map, in the file's order.
    Map(Vec<(Located<String>, Located<Tree>)>),
}

impl Tree {
    /// The value alone.
    pub(super) fn value(&self) -> Value {
        match self {
            Self::Scalar(value) => value.clone(),
            Self::List(items) => items.iter().map(|item| item.value.value()).collect(),
            Self::Map(fields) => {
                let pair =
                    |(key, tree): &(Located<String>, Located<Self>)| (key.value.clone(), tree.value.value());
                Value::Object(fields.iter().map(pair).collect::<Map<_, _>>())
            }
        }
    }

    /// A value that came from elsewhere and has no place.
    pub(super) fn without_place(value: Value) -> Located<Self> {
        let value = match value {
            Value::Array(items) => Self::List(items.into_iter().map(Self::without_place).collect()),
            Value::Object(fields) => {
                let pair = |(key, value)| (Located { value: key, span: None }, Self::without_place(value));
                Self::Map(fields.into_iter().map(pair).collect())
            }
            scalar => Self::Scalar(scalar),
        };
        Located { value, span: None }
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Anything;
        impl<'de> Visitor<'de> for Anything {
            type Value = Tree;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("anything")
            }
            fn visit_bool<E: Error>(self, value: bool) -> Result<Tree, E> {
                Ok(Tree::Scalar(value.into()))
            }
            fn visit_i64<E: Error>(self, value: i64) -> Result<Tree, E> {
                Ok(Tree::Scalar(value.into()))
            }
            fn visit_u64<E: Error>(self, value: u64) -> Result<Tree, E> {
                Ok(Tree::Scalar(value.into()))
            }
            fn visit_f64<E: Error>(self, value: f64) -> Result<Tree, E> {
                let number = Number::from_f64(value).ok_or_else(|| E::custom("a non-finite number"))?;
                Ok(Tree::Scalar(Value::Number(number)))
            }
            fn visit_str<E: Error>(self, value: &str) -> Result<Tree, E> {
                Ok(Tree::Scalar(value.into()))
            }
            fn visit_unit<E: Error>(self) -> Result<Tree, E> {
                Ok(Tree::Scalar(Value::Null))
            }
            fn visit_none<E: Error>(self) -> Result<Tree, E> {
                self.visit_unit()
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Tree, A::Error> {
                let mut list = Vec::new();
                while let Some(item) = items.next_element()? {
                    list.push(item);
                }
                Ok(Tree::List(list))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Tree, A::Error> {
                let mut map = Vec::new();
                while let Some(key) = fields.next_key()? {
                    map.push((key, fields.next_value()?));
                }
                Ok(Tree::Map(map))
            }
        }
        deserializer.deserialize_any(Anything)
    }
}
