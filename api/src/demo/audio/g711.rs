//! ITU-T G.711 µ-law: 14 significant bits in 8, as three bits of exponent and four of mantissa.

/// Added before the exponent is read, so that the smallest segment also has a leading one.
const BIAS: i32 = 0x84;
/// The largest magnitude that still fits with the bias added.
const CLIP: i32 = 32_635;

/// One sample as its µ-law byte.
pub fn encode(sample: i16) -> u8 {
    let sign = if sample < 0 { 0x80 } else { 0 };
    let magnitude = i32::from(sample).abs().min(CLIP) + BIAS;
    let exponent = magnitude.ilog2() - 7;
    let mantissa = (magnitude >> (exponent + 3)) & 0x0f;
    !(sign | (exponent << 4) as u8 | mantissa as u8)
}

/// The sample that a µ-law byte stands for.
pub fn decode(byte: u8) -> i16 {
    let bits = !byte;
    let exponent = (bits >> 4) & 0x07;
    let magnitude = (((i32::from(bits & 0x0f) << 3) + BIAS) << exponent) - BIAS;
    if bits & 0x80 == 0 { magnitude as i16 } else { -magnitude as i16 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_survives_a_round_trip_but_the_second_zero() {
        let changed: Vec<u8> = (0..=255).filter(|byte| encode(decode(*byte)) != *byte).collect();
        assert_eq!(changed, [0x7f]);
        assert_eq!(decode(0x7f), 0);
    }

    #[test]
    fn corner_values_are_those_of_the_standard() {
        assert_eq!([encode(0), encode(i16::MAX), encode(i16::MIN)], [0xff, 0x80, 0x00]);
        assert_eq!([decode(0xff), decode(0x80), decode(0x00), decode(0xfe)], [0, 32_124, -32_124, 8]);
    }

    #[test]
    fn no_sample_is_off_by_more_than_half_a_step_of_its_segment() {
        for sample in i16::MIN..=i16::MAX {
            let magnitude = i32::from(sample).abs().min(CLIP);
            let half_step = 1 << ((magnitude + BIAS).ilog2() - 7 + 2);
            let error = (i32::from(decode(encode(sample))).abs() - magnitude).abs();
            assert!(error <= half_step, "{sample} came back {error} away, more than {half_step}");
        }
    }
}
