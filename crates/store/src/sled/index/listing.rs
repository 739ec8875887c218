//! The stored list of the index's runs.

/// The runs of the index, and up to which group they go.
#[derive(Default)]
pub(super) struct Listing {
    /// Everything up to this group is in runs.
    pub(super) last_group: u64,
    /// Number, level and count of pointers of each run, from the newest to the
    /// oldest.
    pub(super) runs: Vec<(u64, u8, u64)>,
}

impl Listing {
    pub(super) fn write(&self) -> Vec<u8> {
        let mut raw = vec![0; 4];
        raw.extend_from_slice(&self.last_group.to_be_bytes());
        for (number, level, pointers) in &self.runs {
            raw.extend_from_slice(&number.to_be_bytes());
            raw.push(*level);
            raw.extend_from_slice(&pointers.to_be_bytes());
        }
        let checksum = crc32fast::hash(&raw[4..]).to_be_bytes();
        raw[..4].copy_from_slice(&checksum);
        raw
    }

    pub(super) fn read(raw: &[u8]) -> Option<Listing> {
        let (checksum, raw) = raw.split_first_chunk()?;
        if crc32fast::hash(raw).to_be_bytes() != *checksum {
            return None;
        }
        let (last_group, raw) = raw.split_first_chunk()?;
        let runs = raw.chunks(17).map(|line| {
            let (number, line) = line.split_first_chunk()?;
            let (level, pointers) = line.split_first()?;
            Some((
                u64::from_be_bytes(*number),
                *level,
                u64::from_be_bytes(pointers.try_into().ok()?),
            ))
        });
        Some(Listing {
            last_group: u64::from_be_bytes(*last_group),
            runs: runs.collect::<Option<_>>()?,
        })
    }
}
