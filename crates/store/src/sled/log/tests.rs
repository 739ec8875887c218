use super::*;

/// A record as sled writes it, with a page number and a segment number below
/// 241.
fn record(kind: u8, number: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).expect("short").to_le_bytes();
    let header = [&[kind, 251], &length[..], &[number, 7]].concat();
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(body);
    hasher.update(&header);
    [&(!hasher.finalize()).to_le_bytes(), header.as_slice(), body].concat()
}

/// A full segment: records of different lengths, and a cap.
fn segment(number: u8) -> Vec<u8> {
    let position = i64::from(number) * SEGMENT_BYTES as i64;
    let stored = |position: i64| (position ^ i64::MAX).to_le_bytes();
    let positions = [stored(position), stored(position - 1)].concat();
    let mut bytes = [&(!crc32fast::hash(&positions)).to_le_bytes(), positions.as_slice()].concat();
    for length in (1000..).step_by(111) {
        let next = record(10, number, &vec![number; length]);
        if bytes.len() + next.len() + 100 > SEGMENT_BYTES {
            break;
        }
        bytes.extend(next);
    }
    bytes.extend(record(CAP, number, &vec![0; SEGMENT_BYTES - bytes.len() - 12]));
    assert_eq!(bytes.len(), SEGMENT_BYTES);
    bytes
}

fn checked(segments: &[Vec<u8>]) -> Option<String> {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("db"), segments.concat()).expect("written");
    match check(folder.path()) {
        Ok(()) => None,
        Err(UnusableLog::Damaged(why)) => Some(why),
        Err(other) => panic!("{other:?}"),
    }
}

/// The start of the first record at or after `from`.
fn boundary(bytes: &[u8], from: usize) -> usize {
    let mut at = SEGMENT_HEADER_BYTES;
    loop {
        let record = Record::read(&bytes[at..]).expect("a record");
        if at >= from || record.kind == CAP {
            return at;
        }
        at += record.length;
    }
}

#[test]
fn a_flipped_bit_in_the_middle_of_the_log_is_detected() {
    let whole: Vec<Vec<u8>> = (0..4).map(segment).collect();
    assert_eq!(checked(&whole), None);
    let cap = boundary(&whole[1], SEGMENT_BYTES);
    for place in [4, 12, 20, 24, 25, 31, 40, 1_000_000, 4_000_000, cap, SEGMENT_BYTES - 1] {
        let mut flipped = whole.clone();
        flipped[1][place] ^= 0x10;
        assert!(checked(&flipped).is_some(), "byte {place}");
    }
    // sled cuts off the end of the log at the first invalid record.
    let mut torn = whole;
    torn[3][1_000_000] ^= 0x10;
    assert_eq!(checked(&torn), None);
}

#[test]
fn a_segment_that_is_used_again_is_not_damaged() {
    // The second segment has been reused as the fifth, from the middle on.
    let (mut whole, newer): (Vec<Vec<u8>>, _) = ((0..4).map(segment).collect(), segment(4));
    let at = boundary(&newer, SEGMENT_BYTES / 2);
    whole[1][at..].copy_from_slice(&newer[at..]);
    assert_eq!(checked(&whole), None);
    // Something older after the invalid record is damage.
    let (mut whole, older): (Vec<Vec<u8>>, _) = ((0..4).map(segment).collect(), segment(0));
    whole[1][at..].copy_from_slice(&older[at..]);
    assert!(checked(&whole).is_some());
}

#[test]
fn a_free_segment_that_was_zeroed_is_not_damaged() {
    let mut whole: Vec<Vec<u8>> = (0..4).map(segment).collect();
    whole[1].fill(0);
    assert_eq!(checked(&whole), None);
}

#[test]
fn numbers_are_read_as_sled_writes_them() {
    let read = |bytes: &[u8]| {
        let mut rest = bytes;
        number(&mut rest).map(|value| (value, rest.len()))
    };
    assert_eq!(read(&[240, 9]), Some((240, 1)));
    assert_eq!(read(&[241, 1, 9]), Some((241, 1)));
    assert_eq!(read(&[249, 0, 0, 9]), Some((2288, 1)));
    assert_eq!(read(&[250, 1, 2, 3]), Some((0x03_02_01, 0)));
    assert_eq!(read(&[255, 1, 0, 0, 0, 0, 0, 0, 1]), Some((1 << 56 | 1, 0)));
    for short in [&[][..], &[241], &[249, 1], &[252, 1, 2]] {
        assert_eq!(read(short), None);
    }
}
