//! What the operator of a relay gives to a team: a line with an address and a token.

/// An address, and the token that goes with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayLine {
    /// A libp2p multiaddress.
    pub address: String,
    /// Empty if there is none.
    pub token: String,
}

impl RelayLine {
    /// Reads the whole line, `velo relay add ADDRESS --token TOKEN`, or the address and the token alone.
    pub fn read(text: &str) -> Option<Self> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let at = words.iter().position(|word| word.starts_with('/'))?;
        let behind = words.get(at + 1..).unwrap_or_default();
        let token = behind.iter().find(|word| !word.starts_with('-')).copied().unwrap_or_default();
        Some(Self { address: words.get(at)?.to_string(), token: token.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_read_however_it_was_copied() {
        let read = |text| RelayLine::read(text).map(|line| (line.address, line.token));
        let both = |address: &str, token: &str| Some((address.to_owned(), token.to_owned()));
        let whole = "  velo relay add /ip4/10.0.0.1/tcp/4001/p2p/12D3 \n --token relay-abc ";
        assert_eq!(read(whole), both("/ip4/10.0.0.1/tcp/4001/p2p/12D3", "relay-abc"));
        assert_eq!(read("/ip4/10.0.0.1/tcp/1 relay-abc"), both("/ip4/10.0.0.1/tcp/1", "relay-abc"));
        assert_eq!(read("/ip4/10.0.0.1/tcp/1"), both("/ip4/10.0.0.1/tcp/1", ""));
        assert_eq!(read("relay-abc"), None);
        assert_eq!(read(""), None);
    }
}
