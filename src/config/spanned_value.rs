//! JSON-like values that keep the span of every part.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};
use serde_json::{Map, Number, Value};

use super::yaml::Spanned;

#[derive(Clone, Debug)]
pub(super) enum SpannedValue {
    /// A string, number, boolean, or null.
    Scalar(Value),
    List(Vec<Spanned<SpannedValue>>),
    /// In the file's order.
    Map(Vec<(Spanned<String>, Spanned<SpannedValue>)>),
}

impl SpannedValue {
    /// Drops the spans.
    pub(super) fn to_json(&self) -> Value {
        match self {
            Self::Scalar(value) => value.clone(),
            Self::List(items) => items.iter().map(|item| item.value.to_json()).collect(),
            Self::Map(fields) => {
                let pair = |(key, field): &(Spanned<String>, Spanned<Self>)| {
                    (key.value.clone(), field.value.to_json())
                };
                Value::Object(fields.iter().map(pair).collect::<Map<_, _>>())
            }
        }
    }
}

impl Serialize for SpannedValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Scalar(value) => value.serialize(serializer),
            Self::List(items) => serializer.collect_seq(items.iter().map(|item| &item.value)),
            Self::Map(fields) => {
                serializer.collect_map(fields.iter().map(|(key, field)| (&key.value, &field.value)))
            }
        }
    }
}

impl<'de> Deserialize<'de> for SpannedValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SpannedValueVisitor;
        impl<'de> Visitor<'de> for SpannedValueVisitor {
            type Value = SpannedValue;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("anything")
            }
            fn visit_bool<E: Error>(self, value: bool) -> Result<SpannedValue, E> {
                Ok(SpannedValue::Scalar(value.into()))
            }
            fn visit_i64<E: Error>(self, value: i64) -> Result<SpannedValue, E> {
                Ok(SpannedValue::Scalar(value.into()))
            }
            fn visit_u64<E: Error>(self, value: u64) -> Result<SpannedValue, E> {
                Ok(SpannedValue::Scalar(value.into()))
            }
            fn visit_f64<E: Error>(self, value: f64) -> Result<SpannedValue, E> {
                let number = Number::from_f64(value).ok_or_else(|| E::custom("a non-finite number"))?;
                Ok(SpannedValue::Scalar(Value::Number(number)))
            }
            fn visit_str<E: Error>(self, value: &str) -> Result<SpannedValue, E> {
                Ok(SpannedValue::Scalar(value.into()))
            }
            fn visit_unit<E: Error>(self) -> Result<SpannedValue, E> {
                Ok(SpannedValue::Scalar(Value::Null))
            }
            fn visit_none<E: Error>(self) -> Result<SpannedValue, E> {
                self.visit_unit()
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<SpannedValue, A::Error> {
                let mut list = Vec::new();
                while let Some(item) = items.next_element()? {
                    list.push(item);
                }
                Ok(SpannedValue::List(list))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<SpannedValue, A::Error> {
                let mut map = Vec::new();
                while let Some(key) = fields.next_key()? {
                    map.push((key, fields.next_value()?));
                }
                Ok(SpannedValue::Map(map))
            }
        }
        deserializer.deserialize_any(SpannedValueVisitor)
    }
}
