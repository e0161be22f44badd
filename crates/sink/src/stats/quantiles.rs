//! Medians and percentiles in little memory. In: numbers. Out: p50, p90, p99: exact up to 4,096 numbers, beyond that at most
//! 0.8 % too high. Numbers are then counted in buckets, 128 of them for each power of two, and a bucket stands for its greatest number.

use std::collections::BTreeMap;

/// Numbers that are kept as they are.
const EXACT: usize = 4_096;

/// Bits of a number that tell its bucket.
const PRECISION: u32 = 8;

/// How some numbers are spread.
#[derive(Clone, Debug, Default)]
pub struct Quantiles {
    count: u64,
    greatest: u64,
    exact: Vec<u64>,
    /// Greatest number of a bucket, and how many are in it.
    buckets: BTreeMap<u64, u64>,
}

impl Quantiles {
    /// Takes in a number.
    pub fn add(&mut self, number: u64) {
        self.count += 1;
        self.greatest = self.greatest.max(number);
        if self.buckets.is_empty() && self.exact.len() < EXACT {
            self.exact.push(number);
            return;
        }
        for earlier in std::mem::take(&mut self.exact) {
            *self.buckets.entry(bucket(earlier)).or_default() += 1;
        }
        *self.buckets.entry(bucket(number)).or_default() += 1;
    }

    /// How many numbers there are.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The greatest of them.
    pub const fn greatest(&self) -> Option<u64> {
        if self.count == 0 { None } else { Some(self.greatest) }
    }

    /// The least number such that `percent` of all are not greater (the nearest-rank method).
    pub fn percentile(&self, percent: u8) -> Option<u64> {
        if self.count == 0 {
            return None;
        }
        let rank = (u128::from(self.count) * u128::from(percent.min(100))).div_ceil(100).max(1);
        let rank = u64::try_from(rank).unwrap_or(u64::MAX);
        if self.buckets.is_empty() {
            let mut sorted = self.exact.clone();
            sorted.sort_unstable();
            return sorted.get(usize::try_from(rank - 1).unwrap_or(usize::MAX)).copied();
        }
        let mut passed = 0;
        let mut buckets = self.buckets.iter();
        let found = buckets.find(|(_, count)| {
            passed += **count;
            passed >= rank
        });
        found.map(|(number, _)| (*number).min(self.greatest))
    }
}

/// The greatest number of the bucket that `number` is in.
const fn bucket(number: u64) -> u64 {
    let bits = u64::BITS - number.leading_zeros();
    if bits <= PRECISION {
        return number;
    }
    number | ((1 << (bits - PRECISION)) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(numbers: impl IntoIterator<Item = u64>) -> Quantiles {
        let mut quantiles = Quantiles::default();
        numbers.into_iter().for_each(|number| quantiles.add(number));
        quantiles
    }

    #[test]
    fn few_numbers_are_exact() {
        assert_eq!(of([]).percentile(50), None);
        assert_eq!(of([7]).percentile(1), Some(7));
        let hundred = of((1..=100).rev());
        assert_eq!([50, 90, 99, 100].map(|it| hundred.percentile(it).unwrap()), [50, 90, 99, 100]);
        assert_eq!((hundred.count(), hundred.greatest()), (100, Some(100)));
    }

    #[test]
    fn many_numbers_are_near() {
        let many = of((1..=1_000_000_u64).map(|n| n * 7_919 % 1_000_003));
        for percent in [1, 50, 90, 99, 100] {
            let (found, exact) = (many.percentile(percent).unwrap() as f64, f64::from(percent) * 10_000.0);
            assert!(found >= exact * 0.999 && found <= exact * 1.009, "p{percent}: {found}, not {exact}");
        }
        assert!(many.buckets.len() < 2_000 && many.exact.is_empty());
        assert_eq!(of([u64::MAX; 5_000]).percentile(50), Some(u64::MAX));
    }
}
