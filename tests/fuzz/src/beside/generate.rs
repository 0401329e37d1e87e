//! Random archives: of every kind of header, with every kind of extension before it, said in odd ways,
//! and then broken here and there with their checksums made right again. The same seed is the same
//! archive.

const BLOCK: usize = 512;

/// An archive.
pub fn archive(seed: u64) -> Vec<u8> {
    let mut maker = Maker { random: Random::new(seed), bytes: Vec::new(), headers: Vec::new() };
    for _ in 0..maker.random.below(4) + 1 {
        maker.entry();
    }
    match maker.random.below(8) {
        0 => {}
        1 => maker.bytes.extend([0; BLOCK]),
        2 => maker.bytes.extend([[0; BLOCK], [0; BLOCK], [7; BLOCK]].concat()),
        _ => maker.bytes.extend([0; 2 * BLOCK]),
    }
    if maker.random.below(3) == 0 {
        maker.damage();
    }
    maker.bytes
}

/// Numbers that look random (Marsaglia's xorshift).
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        let mut random = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        for _ in 0..4 {
            random.below(2);
        }
        random
    }

    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % most
    }

    fn one<'a>(&mut self, of: &[&'a [u8]]) -> &'a [u8] {
        of[self.below(of.len())]
    }
}

struct Maker {
    random: Random,
    bytes: Vec<u8>,
    /// Where headers begin.
    headers: Vec<usize>,
}

const NAMES: &[&[u8]] = &[
    b"a",
    b"d/",
    b"d/a",
    b"./x",
    b"/abs",
    b"../up",
    b"d//b",
    b"n\xff",
    "é".as_bytes(),
    b"with space",
    b"q\"\\",
    b"tab\t",
    b"..",
    b"d/.wh.a",
];
const NUMBERS: &[&[u8]] = &[
    b"0",
    b"1",
    b"3",
    b"511",
    b"512",
    b"513",
    b"1024",
    b"",
    b"-1",
    b"+3",
    b" 3",
    b"3 ",
    b"03",
    b"0x3",
    b"3.0",
    b"1e1",
    b"9223372036854775807",
    b"9223372036854775808",
    b"18446744073709551616",
];
const TIMES: &[&[u8]] = &[
    b"0",
    b"1.5",
    b"-1.5",
    b"1.123456789123",
    b"1.",
    b".5",
    b"",
    b"1.5.5",
    b"1.-5",
    b"+1",
    b"-0.5",
    b"9999999999",
    b"x",
];
const KEYS: &[&[u8]] = &[
    b"path",
    b"linkpath",
    b"size",
    b"uid",
    b"gid",
    b"mtime",
    b"atime",
    b"ctime",
    b"SCHILY.xattr.user.k",
    b"LIBARCHIVE.xattr.user.k",
    b"comment",
    b"hdrcharset",
    b"SCHILY.filetype",
    b"GNU.volume.label",
    b"uname",
    b"SCHILY.realsize",
    b"SCHILY.dev",
];
const TYPES: &[u8] = b"00000000\x00\x0011223345556777SDVXgx";

impl Maker {
    fn entry(&mut self) {
        for _ in 0..self.random.below(3) {
            match self.random.below(5) {
                0 => self.long(b'L'),
                1 => self.long(b'K'),
                2 => self.pax(b'g'),
                _ => self.pax(b'x'),
            }
        }
        let flag = TYPES[self.random.below(TYPES.len())];
        let size = self.random.below(3) * self.random.below(700);
        let begin = self.header(flag, size);
        if flag == b'S' {
            self.sparse(begin, size);
        }
        let body = match self.random.below(6) {
            // What others may take for the next header.
            0 => self.bytes[begin..begin + BLOCK].to_vec(),
            _ => vec![b'x'; size],
        };
        self.body(&body[..body.len().min(size)], size);
    }

    fn header(&mut self, flag: u8, size: usize) -> usize {
        let begin = self.bytes.len();
        self.headers.push(begin);
        let mut header = [0; BLOCK];
        let name = self.random.one(NAMES);
        header[..name.len()].copy_from_slice(name);
        let target = self.random.one(NAMES);
        header[157..157 + target.len()].copy_from_slice(target);
        header[156] = flag;
        for (at, len) in [(100, 8), (108, 8), (116, 8), (136, 12)] {
            let value = self.random.below(0o777);
            self.number(&mut header[at..at + len], value);
        }
        self.number(&mut header[124..136], size);
        let magic =
            self.random.one(&[b"ustar\x0000", b"ustar  \0", b"ustar\x0000", b"\0\0\0\0\0\0\0\0"]);
        header[257..265].copy_from_slice(magic);
        if self.random.below(4) == 0 {
            header[345..351].copy_from_slice(b"prefix");
        }
        if self.random.below(16) == 0 {
            header[508..512].copy_from_slice(b"tar\0");
        }
        if matches!(flag, b'3' | b'4') {
            let (major, minor) = (self.random.below(256), self.random.below(256));
            self.number(&mut header[329..337], major);
            self.number(&mut header[337..345], minor);
        }
        self.bytes.extend(header);
        sum(&mut self.bytes[begin..begin + BLOCK]);
        begin
    }

    /// In one of the ways in which numbers are written.
    fn number(&mut self, field: &mut [u8], value: usize) {
        let len = field.len();
        let text = match self.random.below(12) {
            0 => format!("{value:o}"),
            1 => format!("{value:0$o}", len),
            2 => format!("{value:>0$o} ", len - 1),
            3 => format!(" {value:o} "),
            4 => {
                field.fill(0);
                field[0] = 0x80;
                field[len - 8 + usize::from(len == 8)..]
                    .copy_from_slice(&(value as u64).to_be_bytes()[usize::from(len == 8)..]);
                return;
            }
            5 if value == 0 => String::new(),
            _ => format!("{value:00$o}\0", len - 1),
        };
        let bytes = &text.as_bytes()[text.len().saturating_sub(len)..];
        field[..bytes.len()].copy_from_slice(bytes);
    }

    /// Four extents at most, in the old way.
    fn sparse(&mut self, begin: usize, size: usize) {
        let half = size / 2;
        let numbers = [0, half, half + 600, size - half];
        for (number, at) in numbers.into_iter().zip((386..).step_by(12)) {
            let text = format!("{number:011o}\0");
            self.bytes[begin + at..][..12].copy_from_slice(text.as_bytes());
        }
        let real = format!("{:011o}\0", size + 600 + self.random.below(2) * 100);
        self.bytes[begin + 483..][..12].copy_from_slice(real.as_bytes());
        sum(&mut self.bytes[begin..begin + BLOCK]);
    }

    fn body(&mut self, body: &[u8], size: usize) {
        self.bytes.extend(body);
        let fill = size - body.len() + (BLOCK - size % BLOCK) % BLOCK;
        self.bytes.extend(vec![0; fill]);
    }

    fn long(&mut self, flag: u8) {
        let mut name = self.random.one(NAMES).to_vec();
        name.extend(vec![b'n'; self.random.below(3) * 60]);
        if self.random.below(4) > 0 {
            name.push(0);
        }
        self.header(flag, name.len());
        self.body(&name, name.len());
    }

    fn pax(&mut self, flag: u8) {
        let mut body = Vec::new();
        for _ in 0..self.random.below(4) + 1 {
            let key = self.random.one(KEYS);
            let value = match key {
                b"path" | b"linkpath" | b"SCHILY.xattr.user.k" => self.random.one(NAMES),
                b"mtime" | b"atime" | b"ctime" => self.random.one(TIMES),
                b"hdrcharset" => self.random.one(&[b"BINARY", b"ISO-IR 10646 2000 UTF-8"]),
                // Half of all archives would be refused by one of these alone.
                _ if self.random.below(3) > 0 => self.random.one(&NUMBERS[..7]),
                _ => self.random.one(NUMBERS),
            };
            let value = if self.random.below(10) == 0 { b"" } else { value };
            body.extend(record(key, value));
        }
        self.header(flag, body.len());
        self.body(&body, body.len());
    }

    /// Some bytes are others; sums are right where they were.
    fn damage(&mut self) {
        for _ in 0..self.random.below(4) + 1 {
            let at = match self.random.below(3) {
                0 => self.random.below(self.bytes.len()),
                _ => self.headers[self.random.below(self.headers.len())] + self.random.below(BLOCK),
            };
            let byte = [0, b' ', b'0', b'7', b'8', b'/', 0xff, 0x80, b'\n', b'=', b'x', b'1'];
            self.bytes[at] = byte[self.random.below(byte.len())];
        }
        for begin in self.headers.clone() {
            sum(&mut self.bytes[begin..begin + BLOCK]);
        }
        if self.random.below(10) == 0 {
            let end = self.random.below(self.bytes.len());
            self.bytes.truncate(end);
        }
    }
}

fn sum(header: &mut [u8]) {
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

/// With the length that counts itself.
fn record(key: &[u8], value: &[u8]) -> Vec<u8> {
    let rest = [b" ", key, b"=", value, b"\n"].concat();
    let mut len = rest.len() + 1;
    while len.to_string().len() + rest.len() != len {
        len += 1;
    }
    [len.to_string().as_bytes(), &rest].concat()
}
