//! Small text files that say in their last line whether they are as they were written: a flipped bit in
//! a secret or a name is still text.
//!
//! ```text
//! {"name":"Anna"}
//! crc32c 1d2c54c1
//! ```

/// Begins the last line.
const SUM: &str = "crc32c ";

/// The content of such a file.
pub fn with_sum(text: &[u8]) -> Vec<u8> {
    [text, b"\n", SUM.as_bytes(), format!("{:08x}\n", crc32c::crc32c(text)).as_bytes()].concat()
}

/// The text in one; `None` if it is not as it was written.
pub fn without_sum(content: &[u8]) -> Option<&[u8]> {
    let text = content.get(..content.len().checked_sub(SUM.len() + 10)?)?;
    (with_sum(text) == content).then_some(text)
}

/// What people are told of one that is not.
pub const WRONG: &str = "its checksum does not fit";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flip_and_cut_is_noticed() {
        let content = with_sum(b"{\"name\":\"Anna\"}");
        assert_eq!(without_sum(&content), Some(&b"{\"name\":\"Anna\"}"[..]));
        for bit in 0..8 * content.len() {
            let mut other = content.clone();
            other[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(without_sum(&other), None, "bit {bit}");
        }
        for cut in 0..content.len() {
            assert_eq!(without_sum(&content[..cut]), None, "cut at {cut}");
        }
    }
}
