//! A map that knows which of its entries was used least recently. It has no bound of its own: its owner decides when to
//! take the oldest away.

use std::collections::HashMap;
use std::sync::Arc;

const NONE: u32 = u32::MAX;

#[derive(Debug)]
struct Node<V> {
    key: Arc<str>,
    value: Option<V>,
    newer: u32,
    older: u32,
}

/// Keys to values, in order of use. Every operation takes constant time.
#[derive(Debug)]
pub(crate) struct Lru<V> {
    places: HashMap<Arc<str>, u32>,
    nodes: Vec<Node<V>>,
    free: Vec<u32>,
    newest: u32,
    oldest: u32,
}

impl<V> Default for Lru<V> {
    fn default() -> Self {
        Self { places: HashMap::new(), nodes: Vec::new(), free: Vec::new(), newest: NONE, oldest: NONE }
    }
}

impl<V> Lru<V> {
    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    pub(crate) fn contains(&self, key: &str) -> bool {
        self.places.contains_key(key)
    }

    /// The value, without counting as use.
    pub(crate) fn peek(&self, key: &str) -> Option<&V> {
        self.places.get(key).and_then(|&at| self.nodes[at as usize].value.as_ref())
    }

    /// The value; its entry is now the newest.
    pub(crate) fn touch(&mut self, key: &str) -> Option<&mut V> {
        let at = *self.places.get(key)?;
        self.unlink(at);
        self.link_newest(at);
        self.nodes[at as usize].value.as_mut()
    }

    /// Puts an entry at the newest end and returns the value it replaces.
    pub(crate) fn insert(&mut self, key: &str, value: V) -> Option<V> {
        if let Some(old) = self.touch(key) {
            return Some(std::mem::replace(old, value));
        }
        let at = self.place(key, value);
        self.link_newest(at);
        None
    }

    /// Puts a new entry at the oldest end; an entry that is already there stays as it is.
    pub(crate) fn insert_oldest(&mut self, key: &str, value: V) -> bool {
        if self.contains(key) {
            return false;
        }
        let at = self.place(key, value);
        let node = &mut self.nodes[at as usize];
        (node.newer, node.older) = (self.oldest, NONE);
        match self.oldest {
            NONE => self.newest = at,
            oldest => self.nodes[oldest as usize].older = at,
        }
        self.oldest = at;
        true
    }

    pub(crate) fn remove(&mut self, key: &str) -> Option<V> {
        let at = self.places.remove(key)?;
        self.unlink(at);
        let node = &mut self.nodes[at as usize];
        node.key = Arc::from("");
        self.free.push(at);
        node.value.take()
    }

    pub(crate) fn pop_oldest(&mut self) -> Option<(Arc<str>, V)> {
        let key = self.nodes.get(self.oldest as usize)?.key.clone();
        self.remove(&key).map(|value| (key, value))
    }

    fn place(&mut self, key: &str, value: V) -> u32 {
        let key: Arc<str> = key.into();
        let node = Node { key: key.clone(), value: Some(value), newer: NONE, older: NONE };
        let at = match self.free.pop() {
            Some(at) => {
                self.nodes[at as usize] = node;
                at
            }
            None => {
                self.nodes.push(node);
                u32::try_from(self.nodes.len() - 1).expect("owners bound their entries far below 2^32")
            }
        };
        self.places.insert(key, at);
        at
    }

    fn link_newest(&mut self, at: u32) {
        let node = &mut self.nodes[at as usize];
        (node.older, node.newer) = (self.newest, NONE);
        match self.newest {
            NONE => self.oldest = at,
            newest => self.nodes[newest as usize].newer = at,
        }
        self.newest = at;
    }

    fn unlink(&mut self, at: u32) {
        let (newer, older) = (self.nodes[at as usize].newer, self.nodes[at as usize].older);
        match newer {
            NONE => self.newest = older,
            newer => self.nodes[newer as usize].older = older,
        }
        match older {
            NONE => self.oldest = newer,
            older => self.nodes[older as usize].newer = newer,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_agrees_with_a_plain_list(steps in proptest::collection::vec((0u8..5, 0u8..6, any::<u16>()), 0..200)) {
            let mut lru = Lru::default();
            let mut model: Vec<(String, u16)> = Vec::new(); // oldest first
            for (step, key, value) in steps {
                let key = format!("k{key}");
                let at = model.iter().position(|(k, _)| *k == key);
                match step {
                    0 => {
                        let old = at.map(|at| model.remove(at).1);
                        model.push((key.clone(), value));
                        prop_assert_eq!(lru.insert(&key, value), old);
                    }
                    1 => {
                        prop_assert_eq!(lru.insert_oldest(&key, value), at.is_none());
                        if at.is_none() {
                            model.insert(0, (key, value));
                        }
                    }
                    2 => {
                        let moved = at.map(|at| model.remove(at));
                        prop_assert_eq!(lru.touch(&key).copied(), moved.as_ref().map(|(_, v)| *v));
                        model.extend(moved);
                    }
                    3 => prop_assert_eq!(lru.remove(&key), at.map(|at| model.remove(at).1)),
                    _ => {
                        let oldest = (!model.is_empty()).then(|| model.remove(0));
                        prop_assert_eq!(lru.pop_oldest().map(|(k, v)| (k.to_string(), v)), oldest);
                    }
                }
                prop_assert_eq!(lru.len(), model.len());
            }
            while let Some((key, value)) = lru.pop_oldest() {
                prop_assert_eq!((key.to_string(), value), model.remove(0));
            }
            prop_assert!(model.is_empty());
        }
    }
}
