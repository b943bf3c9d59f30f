//! Reads the options of strategies from a route, next to its other keys. The table of strategies in `route`
//! names these options, so that a new one needs no change here.

use std::fmt;
use std::sync::OnceLock;

use serde::de::value::StrDeserializer;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, IntoDeserializer, MapAccess, Visitor};
use serde::forward_to_deserialize_any;

use super::route_entry::RouteEntry;
use super::yaml::Spanned;
use crate::route::{LocatedOption, OptionContent, OptionForm, OptionValue, StrategyOption, strategy_options};

/// A route with the options of its strategy.
#[derive(Debug)]
pub(super) struct RouteWithOptions {
    pub entry: RouteEntry,
    pub options: Vec<(&'static str, OptionValue)>,
}

impl<'de> Deserialize<'de> for RouteWithOptions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RouteVisitor;
        impl<'de> Visitor<'de> for RouteVisitor {
            type Value = RouteWithOptions;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RouteWithOptions, A::Error> {
                let mut options = Vec::new();
                let entry =
                    RouteEntry::deserialize(OptionSplitter { map, fields: &[], options: &mut options })?;
                Ok(RouteWithOptions { entry, options })
            }
        }
        deserializer.deserialize_map(RouteVisitor)
    }
}

/// Passes on the entries of a map, except for options of strategies, which it collects.
struct OptionSplitter<'a, A> {
    map: A,
    /// The keys that the receiver knows.
    fields: &'static [&'static str],
    options: &'a mut Vec<(&'static str, OptionValue)>,
}

impl<'de, A: MapAccess<'de>> Deserializer<'de> for OptionSplitter<'_, A> {
    type Error = A::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, A::Error> {
        visitor.visit_map(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        visitor.visit_map(Self { fields, ..self })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for OptionSplitter<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        let mut seed = Some(seed);
        loop {
            match self.map.next_key_seed(RouteKeySeed { seed: &mut seed, fields: self.fields })? {
                None => return Ok(None),
                Some(RouteKey::Field(field)) => return Ok(Some(field)),
                Some(RouteKey::Option(option)) => {
                    let value = self.map.next_value_seed(OptionSeed(option.form))?;
                    self.options.extend(value.map(|value| (option.name, value)));
                }
            }
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.map.next_value_seed(seed)
    }
}

enum RouteKey<T> {
    Field(T),
    Option(&'static StrategyOption),
}

/// Reads a key. An unknown one is an error here, where its position is known.
struct RouteKeySeed<'a, K> {
    seed: &'a mut Option<K>,
    fields: &'static [&'static str],
}

impl<'de, K: DeserializeSeed<'de>> DeserializeSeed<'de> for RouteKeySeed<'_, K> {
    type Value = RouteKey<K::Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl<'de, K: DeserializeSeed<'de>> Visitor<'de> for RouteKeySeed<'_, K> {
    type Value = RouteKey<K::Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<Self::Value, E> {
        if let Some(option) = strategy_options().find(|option| option.name == word) {
            return Ok(RouteKey::Option(option));
        }
        match self.seed.take().filter(|_| self.fields.contains(&word)) {
            Some(seed) => {
                let key: StrDeserializer<'_, E> = word.into_deserializer();
                seed.deserialize(key).map(RouteKey::Field)
            }
            None => Err(E::unknown_field(word, route_keys(self.fields))),
        }
    }
}

/// All keys of a route; the options of strategies follow `strategy`.
fn route_keys(fields: &'static [&'static str]) -> &'static [&'static str] {
    static KEYS: OnceLock<Vec<&str>> = OnceLock::new();
    KEYS.get_or_init(|| {
        let with_options = |field: &&'static str| {
            let options = (*field == "strategy").then(strategy_options);
            std::iter::once(*field).chain(options.into_iter().flatten().map(|option| option.name))
        };
        fields.iter().flat_map(with_options).collect()
    })
}

/// Reads the value of an option in its form; `None` if it is empty.
struct OptionSeed(OptionForm);

impl<'de> DeserializeSeed<'de> for OptionSeed {
    type Value = Option<OptionValue>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        match self.0 {
            OptionForm::Text => {
                let text = Option::<Spanned<String>>::deserialize(deserializer)?;
                Ok(text.map(|text| locate(text).map(OptionContent::Text)))
            }
            OptionForm::Numbers => {
                let numbers = Option::<Spanned<WrittenNumbers>>::deserialize(deserializer)?;
                Ok(numbers
                    .map(|numbers| locate(numbers).map(|WrittenNumbers(map)| OptionContent::Numbers(map))))
            }
        }
    }
}

fn locate<T>(Spanned { value, span }: Spanned<T>) -> LocatedOption<T> {
    LocatedOption { value, span }
}

/// A map of numbers, in the file's order.
struct WrittenNumbers(Vec<(LocatedOption<String>, LocatedOption<f64>)>);

impl<'de> Deserialize<'de> for WrittenNumbers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumbersVisitor;
        impl<'de> Visitor<'de> for NumbersVisitor {
            type Value = WrittenNumbers;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<WrittenNumbers, A::Error> {
                let mut numbers = Vec::new();
                while let Some(key) = map.next_key()? {
                    let number = map.next_value::<Option<Spanned<f64>>>()?;
                    numbers.extend(number.map(|number| (locate(key), locate(number))));
                }
                Ok(WrittenNumbers(numbers))
            }
        }
        deserializer.deserialize_map(NumbersVisitor)
    }
}
