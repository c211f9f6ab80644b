//! Random numbers that a seed repeats (SplitMix64).

/// A sequence of numbers.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Begins with `RAVENRY_SEED`, else always with the same seed; prints it.
    ///
    /// # Panics
    /// When the variable holds no number.
    #[must_use]
    pub fn from_environment() -> Self {
        let seed = std::env::var("RAVENRY_SEED").map_or_else(
            |_| 1,
            |text| text.parse().expect("RAVENRY_SEED holds a number"),
        );
        println!("RAVENRY_SEED={seed}");
        Self(seed)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}
