//! Random numbers to question the oracle with, from a seed that is printed.

/// SplitMix64.
pub(crate) struct Random(u64);

impl Random {
    /// With the seed of `RAVENRY_SEED`, else always the same; it is printed.
    pub(crate) fn seeded() -> Self {
        let seed = std::env::var("RAVENRY_SEED").map_or_else(|_| 1, |seed| seed.parse().unwrap());
        println!("RAVENRY_SEED={seed}");
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }

    pub(crate) fn float(&mut self, below: f64) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64 * below
    }
}
