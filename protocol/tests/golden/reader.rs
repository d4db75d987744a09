//! A decoder written from the protocol specification: little-endian, numbers in 1, 3, 5 or 9 bytes.

pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    pub fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count);
        self.0 = rest;
        taken
    }

    pub fn byte(&mut self) -> u8 {
        self.take(1)[0]
    }

    /// Below 251 one byte; 251, 252 and 253 announce 2, 4 and 8 bytes.
    pub fn number(&mut self) -> u64 {
        let width = match self.byte() {
            251 => 2,
            252 => 4,
            253 => 8,
            small => return u64::from(small),
        };
        let bytes = self.take(width);
        bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    /// Signed numbers alternate: 0, -1, 1, -2, 2.
    pub fn signed(&mut self) -> i64 {
        let number = self.number();
        (number >> 1) as i64 ^ -((number & 1) as i64)
    }

    pub fn text(&mut self) -> String {
        let length = self.number() as usize;
        String::from_utf8(self.take(length).to_vec()).unwrap()
    }

    /// An operation's id: eight bytes, then a number.
    pub fn name(&mut self) -> (u64, u64) {
        let entry = self.take(8).try_into().unwrap();
        (u64::from_be_bytes(entry), self.number())
    }

    /// A `Set` operation with exactly one name, as words.
    pub fn set(&mut self) -> String {
        assert_eq!(self.number(), 0, "a Set");
        self.byte();
        let element = match self.byte() {
            0 => None,
            _ => Some(self.element()),
        };
        let value = self.value();
        assert_eq!(self.number(), 1);
        assert_eq!(self.name(), (0x1122_3344_5566_7788, 300));
        element.map_or(value.clone(), |element| format!("{element} = {value}"))
    }

    fn element(&mut self) -> String {
        match self.number() {
            0 => skip(self.take(16), "entity"),
            1 => skip(self.take(32), "person"),
            2 => {
                self.take(32);
                format!("mark {}", self.text())
            }
            3 => format!("text {}", self.text()),
            other => panic!("element {other}"),
        }
    }

    fn value(&mut self) -> String {
        match self.number() {
            0 => "unset".into(),
            1 => (self.byte() == 1).to_string(),
            2 => self.signed().to_string(),
            3 => self.text(),
            4 => skip(self.take(16), "entity"),
            5 => skip(self.take(32), "person"),
            6 => match self.number() {
                0 => format!("day {}", self.signed()),
                1 => format!("at {} {}", self.signed(), self.text()),
                other => panic!("date {other}"),
            },
            7 => {
                let length = self.number() as usize;
                skip(self.take(length), "order")
            }
            other => panic!("value {other}"),
        }
    }
}

fn skip(_: &[u8], name: &str) -> String {
    name.into()
}
