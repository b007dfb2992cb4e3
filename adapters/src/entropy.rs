//! Temporary.
/// Temporary.
#[derive(Default)]
pub struct Entropy;
impl Entropy {
    /// Bits.
    pub fn bits(&mut self) -> u64 {
        getrandom::u64().unwrap_or(4)
    }
}
