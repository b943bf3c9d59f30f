//! What a case asks, in few bytes: the cases of a set share all but some of their words.

use std::sync::Arc;

use crate::chat::{Part, Request};

/// A request whose words stand apart from all else in it.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The request, with nothing where its words were.
    frame: Arc<Request>,
    /// The words, in the order of [`places`].
    words: Box<[Arc<str>]>,
}

impl Asked {
    /// The request as it was.
    pub fn request(&self) -> Request {
        let mut request = Request::clone(&self.frame);
        places(&mut request).zip(&self.words).for_each(|(place, words)| words.as_ref().clone_into(place));
        request
    }
}

/// Where a request has words: its instructions, and the texts of its turns.
fn places(request: &mut Request) -> impl Iterator<Item = &mut String> {
    let parts = request.messages.iter_mut().flat_map(|message| &mut message.parts);
    let texts = parts.filter_map(|part| match part {
        Part::Text { text } => Some(text),
        _ => None,
    });
    request.system.iter_mut().chain(texts)
}

/// What the cases that were made last are made of, so that the next one shares what it has in common with them.
#[derive(Debug, Default)]
pub struct Sharing {
    frames: Recent<Request>,
    tags: Recent<Vec<String>>,
    words: Vec<Arc<str>>,
}

impl Sharing {
    /// Puts a request's words apart.
    pub fn asked(&mut self, mut request: Request) -> Asked {
        let known = std::mem::take(&mut self.words);
        self.words = places(&mut request)
            .enumerate()
            .map(|(n, place)| {
                let words = std::mem::take(place);
                known
                    .get(n)
                    .filter(|known| ***known == *words)
                    .map_or_else(|| words.as_str().into(), Arc::clone)
            })
            .collect();
        Asked { frame: self.frames.share(request), words: self.words.as_slice().into() }
    }

    /// The same tags, shared.
    pub fn tags(&mut self, tags: Vec<String>) -> Arc<Vec<String>> {
        self.tags.share(tags)
    }
}

/// The last few values that were not the same.
#[derive(Debug)]
struct Recent<T>(Vec<Arc<T>>);

/// How many values are looked through for one that is the same.
const LOOKED_THROUGH: usize = 16;

impl<T> Default for Recent<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: PartialEq> Recent<T> {
    fn share(&mut self, value: T) -> Arc<T> {
        if let Some(known) = self.0.iter().find(|known| ***known == value) {
            return Arc::clone(known);
        }
        if self.0.len() == LOOKED_THROUGH {
            self.0.remove(0);
        }
        let new = Arc::new(value);
        self.0.push(Arc::clone(&new));
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::{Message, Role};

    #[test]
    fn a_request_comes_back_as_it_was_and_shares_what_is_common() {
        let request = |question: &str, temperature| Request {
            system: Some("be brief".into()),
            messages: vec![
                Message::user("an example"),
                Message::texts(Role::Assistant, ["its answer".to_owned()]),
                Message::texts(Role::User, [question.to_owned(), "please".to_owned()]),
            ],
            temperature,
            ..Request::default()
        };
        let mut sharing = Sharing::default();
        let asked: Vec<Asked> =
            [("a", None), ("b", None), ("b", Some(0.5))].map(|(q, t)| sharing.asked(request(q, t))).into();
        assert_eq!(asked[0].request(), request("a", None));
        assert_eq!(asked[1].request(), request("b", None));
        assert_eq!(asked[2].request(), request("b", Some(0.5)));
        assert!(Arc::ptr_eq(&asked[0].frame, &asked[1].frame));
        assert!(!Arc::ptr_eq(&asked[1].frame, &asked[2].frame));
        let shared = |n: usize| Arc::ptr_eq(&asked[0].words[n], &asked[1].words[n]);
        assert_eq!([0, 1, 2, 3, 4].map(shared), [true, true, true, false, true]);
        let bare = Request { system: None, ..request("a", None) };
        assert_eq!(sharing.asked(bare.clone()).request(), bare);
    }

    #[test]
    fn only_the_last_few_are_looked_through() {
        let mut recent = Recent::default();
        let first = recent.share(0);
        assert!(Arc::ptr_eq(&first, &recent.share(0)));
        (1..=LOOKED_THROUGH).for_each(|n| drop(recent.share(n)));
        assert!(!Arc::ptr_eq(&first, &recent.share(0)));
        assert_eq!(recent.0.len(), LOOKED_THROUGH);
    }
}
