//! The map from key slots to the nodes of a cluster.
//!
//! Owns the hash of a key and the reading of `CLUSTER SLOTS`. Must not know connections.

use redis::Value;

use super::endpoint::Address;

/// Number of slots into which a cluster divides its keys.
const SLOTS: u16 = 16384;

static CRC: crc::Crc<u16> = crc::Crc::<u16>::new(&crc::CRC_16_XMODEM);

/// Master node of a cluster: a node that has keys.
#[derive(Clone, PartialEq, Eq)]
pub struct Master {
    /// ID of the node in the cluster. The ID stays when the node's address changes.
    pub id: String,
    /// Address of the master node.
    pub address: Address,
}

/// Map from the slots of a cluster to the master nodes that own them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Slots {
    /// First slot, last slot and address of the master of each range of slots, sorted by first
    /// slot.
    ranges: Vec<(u16, u16, Address)>,
    /// Master nodes of the cluster, sorted by ID.
    masters: Vec<Master>,
}

impl Slots {
    /// Parses the answer to `CLUSTER SLOTS` that the node at the address `by` returned. Returns
    /// `None` if the answer is not valid.
    #[must_use]
    pub fn read(answer: &Value, by: &Address) -> Option<Self> {
        let Value::Array(rows) = answer else {
            return None;
        };
        let mut slots = Self::default();
        for row in rows {
            let Value::Array(row) = row else { return None };
            let (first, last, master) = (number(row.first()?)?, number(row.get(1)?)?, row.get(2)?);
            let Value::Array(master) = master else {
                return None;
            };
            let host = match master.first()? {
                Value::Nil => by.host.clone(),
                host => text(host).filter(|host| host != "?")?,
            };
            let host = if host.is_empty() {
                by.host.clone()
            } else {
                host
            };
            let address = Address {
                host,
                port: number(master.get(1)?)?,
            };
            let id = master
                .get(2)
                .and_then(text)
                .unwrap_or_else(|| format!("{first}"));
            slots.ranges.push((first, last, address.clone()));
            slots.masters.push(Master { id, address });
        }
        slots.ranges.sort();
        slots.masters.sort_by(|a, b| a.id.cmp(&b.id));
        slots.masters.dedup();
        Some(slots)
    }

    /// Returns the address of the node that owns a slot. Returns `None` while no node owns the
    /// slot.
    #[must_use]
    pub fn owner(&self, slot: u16) -> Option<&Address> {
        let end = self.ranges.partition_point(|(first, ..)| *first <= slot);
        let (_, last, address) = self.ranges.get(end.checked_sub(1)?)?;
        (slot <= *last).then_some(address)
    }

    /// Returns the master nodes of the cluster, sorted by ID, so that their order is stable.
    #[must_use]
    pub fn masters(&self) -> &[Master] {
        &self.masters
    }

    /// Returns a copy of this map in which the slot `slot` is owned by the node at the address
    /// `to`. The list of master nodes stays the same. The copy is used after a node reports the new
    /// owner of a slot, because the report is newer than the map.
    #[must_use]
    pub fn moved(&self, slot: u16, to: &Address) -> Self {
        let mut ranges = Vec::with_capacity(self.ranges.len() + 2);
        for (first, last, address) in &self.ranges {
            if !(*first..=*last).contains(&slot) {
                ranges.push((*first, *last, address.clone()));
                continue;
            }
            if *first < slot {
                ranges.push((*first, slot - 1, address.clone()));
            }
            if slot < *last {
                ranges.push((slot + 1, *last, address.clone()));
            }
        }
        ranges.push((slot, slot, to.clone()));
        ranges.sort();
        Self {
            ranges,
            masters: self.masters.clone(),
        }
    }
}

/// Returns the slot of a key, as Redis computes it. If the text between the first `{` and the next
/// `}` is not empty, only this text is hashed.
#[must_use]
pub fn slot(key: &[u8]) -> u16 {
    let find = |bytes: &[u8], wanted: u8| bytes.iter().position(|byte| *byte == wanted);
    let rest = find(key, b'{').and_then(|open| key.get(open + 1..));
    let tag = rest.and_then(|rest| rest.get(..find(rest, b'}')?));
    let hashed = tag.filter(|tag| !tag.is_empty()).unwrap_or(key);
    CRC.checksum(hashed) % SLOTS
}

fn number(value: &Value) -> Option<u16> {
    match value {
        Value::Int(number) => u16::try_from(*number).ok(),
        _ => None,
    }
}

fn text(value: &Value) -> Option<String> {
    redis::from_redis_value(value.clone()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_the_slots_that_redis_gives_them() {
        // The expected slots are those that `CLUSTER KEYSLOT` reports.
        for (key, expected) in [
            ("foo", 12182),
            ("123456789", 12739),
            ("{user1000}.following", 3443),
            ("{user1000}.followers", 3443),
            ("foo{}{bar}", 8363),
            ("foo{{bar}}zap", 4015),
            ("foo{bar}{zap}", 5061),
            ("foo{bar", 15278),
            ("", 0),
        ] {
            assert_eq!(slot(key.as_bytes()), expected, "{key}");
        }
    }

    #[test]
    fn a_slot_that_moves_leaves_the_others() {
        let address = |port| Address {
            host: "h".into(),
            port,
        };
        let row = |first, last, port, id: &str| {
            let node = vec![
                Value::BulkString(b"".to_vec()),
                Value::Int(port),
                Value::BulkString(id.as_bytes().to_vec()),
            ];
            Value::Array(vec![
                Value::Int(first),
                Value::Int(last),
                Value::Array(node),
            ])
        };
        let answer = Value::Array(vec![row(100, 16383, 2, "b"), row(0, 50, 1, "a")]);
        let slots = Slots::read(&answer, &address(9)).unwrap();
        assert_eq!(
            slots
                .masters()
                .iter()
                .map(|master| master.id.as_str())
                .collect::<Vec<_>>(),
            ["a", "b"]
        );
        let owner = |slots: &Slots, slot| slots.owner(slot).map(|address| address.port);
        assert_eq!(
            [0, 50, 51, 99, 100, 16383].map(|slot| owner(&slots, slot)),
            [1, 1, 0, 0, 2, 2].map(|port| { (port > 0).then_some(port) })
        );
        let moved = slots.moved(120, &address(1));
        assert_eq!(
            [119, 120, 121].map(|slot| owner(&moved, slot)),
            [Some(2), Some(1), Some(2)]
        );
        let back = moved.moved(120, &address(2)).moved(60, &address(3));
        assert_eq!(
            [60, 61, 119, 120, 121].map(|slot| owner(&back, slot)),
            [Some(3), None, Some(2), Some(2), Some(2)]
        );
    }
}
