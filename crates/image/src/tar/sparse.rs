//! Where the data of a file with holes stand. In: offsets and lengths. Out: [`Map`], which puts pieces of data in their places.

/// Segments of data, in order.
#[derive(Debug, Default)]
pub(crate) struct Map {
    segments: Vec<(u64, u64)>,
}

/// What comes next in a file with holes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// So many zeros.
    Zeros(u64),
    /// At most so many bytes of data.
    Data(u64),
    /// The end.
    End,
}

impl Map {
    pub(super) fn new(segments: Vec<(u64, u64)>) -> Self {
        Self { segments }
    }

    /// What stands at `at` in a file of `size` bytes. Segments that overlap or run backwards give the end.
    pub(crate) fn at(&self, at: u64, size: u64) -> Next {
        if at >= size {
            return Next::End;
        }
        let following = self.segments.partition_point(|(offset, length)| offset.saturating_add(*length) <= at);
        match self.segments.get(following) {
            Some((offset, _)) if *offset > at => Next::Zeros((*offset).min(size) - at),
            Some((offset, length)) => Next::Data(offset.saturating_add(*length).min(size) - at),
            None => Next::Zeros(size - at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_and_data_alternate() {
        let map = Map::new(vec![(0, 4), (10, 2)]);
        assert_eq!(map.at(0, 20), Next::Data(4));
        assert_eq!(map.at(3, 20), Next::Data(1));
        assert_eq!(map.at(4, 20), Next::Zeros(6));
        assert_eq!(map.at(11, 20), Next::Data(1));
        assert_eq!(map.at(12, 20), Next::Zeros(8));
        assert_eq!(map.at(20, 20), Next::End);
        assert_eq!(Map::new(vec![(u64::MAX, u64::MAX)]).at(0, 5), Next::Zeros(5));
    }
}
