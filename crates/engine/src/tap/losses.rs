//! What was lost of a connection since it was last said. In: bytes that were not told, as they pass. Out: how many, in order.
//!
//! Whoever decodes a conversation takes the order of its two directions for what it says about them: who waits for whom. So a loss is
//! told before whatever is told next of either direction. Losses of both in turns are added up so that the first and the last
//! direction stay what they were.

use sidelight_model::flow::Direction;

/// Losses in the order in which they are to be told; neighbours differ in direction.
#[derive(Debug, Default)]
pub(super) struct Losses {
    parts: [Option<(Direction, u64)>; 3],
}

impl Losses {
    pub(super) const fn is_empty(&self) -> bool {
        self.parts[0].is_none()
    }

    /// The first one.
    pub(super) const fn first(&self) -> Option<(Direction, u64)> {
        self.parts[0]
    }

    /// The first one was told.
    pub(super) fn told(&mut self) {
        self.parts = [self.parts[1], self.parts[2], None];
    }

    /// This many bytes more were lost.
    pub(super) fn add(&mut self, direction: Direction, bytes: u64) {
        let more = |part: &mut Option<(Direction, u64)>, direction: Direction, bytes: u64| {
            let (_, count) = part.get_or_insert((direction, 0));
            *count = count.saturating_add(bytes);
        };
        let used = self.parts.iter().flatten().count();
        match used.checked_sub(1) {
            Some(last) if self.parts[last].is_some_and(|(known, _)| known == direction) => {
                more(&mut self.parts[last], direction, bytes);
            }
            // The third and the first are of the same direction, the second is of this one.
            Some(2) => {
                if let Some((first, third)) = self.parts[2].take() {
                    more(&mut self.parts[0], first, third);
                }
                more(&mut self.parts[1], direction, bytes);
            }
            _ => more(&mut self.parts[used], direction, bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Direction::{ToClient, ToServer};

    fn parts(added: &[(Direction, u64)]) -> Vec<(Direction, u64)> {
        let mut losses = Losses::default();
        added.iter().for_each(|(direction, bytes)| losses.add(*direction, *bytes));
        std::iter::from_fn(|| {
            let first = losses.first();
            losses.told();
            first
        })
        .collect()
    }

    #[test]
    fn the_first_and_the_last_direction_stay() {
        assert!(Losses::default().is_empty());
        let cases: [(&[u64], &[u64]); 6] = [
            (&[1], &[1]),
            (&[1, 2], &[1, 2]),
            (&[1, 2, 3], &[1, 2, 3]),
            (&[1, 2, 3, 4], &[4, 6]),
            (&[1, 2, 3, 4, 5], &[4, 6, 5]),
            (&[1, 2, 3, 4, 5, 6], &[9, 12]),
        ];
        for (added, expected) in cases {
            for directions in [[ToServer, ToClient], [ToClient, ToServer]] {
                let turns = |counts: &[u64]| -> Vec<_> {
                    counts
                        .iter()
                        .zip(directions.iter().cycle())
                        .map(|(count, direction)| (*direction, *count))
                        .collect()
                };
                assert_eq!(parts(&turns(added)), turns(expected), "{added:?}");
            }
        }
        assert_eq!(parts(&[(ToServer, 1), (ToServer, 2), (ToClient, 3)]), [(ToServer, 3), (ToClient, 3)]);
    }
}
