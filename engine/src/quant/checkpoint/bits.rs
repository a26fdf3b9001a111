//! Dense bit streams: code j of a row in bits j·b .. (j+1)·b, lowest bit first.

/// Packs codes below 2^bits into `packed`, whose bits from `at` on are zero; how many bits they take.
pub fn pack_at(codes: &[u8], bits: u8, at: usize, packed: &mut [u8]) -> usize {
    let bits = usize::from(bits);
    for (j, &code) in codes.iter().enumerate() {
        let (byte, shift) = ((at + j * bits) / 8, (at + j * bits) % 8);
        let [low, high] = (u16::from(code) << shift).to_le_bytes();
        packed[byte] |= low;
        if high != 0 {
            packed[byte + 1] |= high;
        }
    }
    codes.len() * bits
}

/// The inverse of [`pack_at`].
pub fn unpack_at(packed: &[u8], bits: u8, at: usize, codes: &mut [u8]) -> usize {
    let (bits, mask) = (usize::from(bits), u8::MAX >> (8 - bits));
    for (j, code) in codes.iter_mut().enumerate() {
        let (byte, shift) = ((at + j * bits) / 8, (at + j * bits) % 8);
        // A code that ends in its first byte needs no second one, which may not exist.
        let high = packed.get(byte + 1).copied().unwrap_or(0);
        *code = (u16::from_le_bytes([packed[byte], high]) >> shift) as u8 & mask;
    }
    codes.len() * bits
}

/// [`pack_at`] the beginning of `packed`, which has ⌈codes·bits/8⌉ zero bytes.
pub fn pack(codes: &[u8], bits: u8, packed: &mut [u8]) {
    pack_at(codes, bits, 0, packed);
}

/// The inverse of [`pack`].
pub fn unpack(packed: &[u8], bits: u8, codes: &mut [u8]) {
    unpack_at(packed, bits, 0, codes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quant::testing::Normal;

    #[test]
    fn codes_of_every_width_and_length_round_trip() {
        let mut normal = Normal::new(9);
        for bits in 1..=8u8 {
            for len in (0..40).chain([127, 576, 1001]) {
                let codes: Vec<u8> =
                    (0..len).map(|_| (normal.uniform() * f64::from(1u32 << bits)) as u8).collect();
                let mut packed = vec![0; (len * usize::from(bits)).div_ceil(8)];
                pack(&codes, bits, &mut packed);
                let mut back = vec![0xff; len];
                unpack(&packed, bits, &mut back);
                assert_eq!(back, codes, "{bits} bits, {len} codes");
            }
        }
    }

    #[test]
    fn the_layout_is_lowest_bit_first() {
        let mut packed = [0; 2];
        pack(&[0b101, 0b011, 0b110, 0b001], 3, &mut packed);
        assert_eq!(packed, [0b1001_1101, 0b0000_0011]);
    }
}
