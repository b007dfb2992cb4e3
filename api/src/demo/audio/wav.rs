//! A WAV file of one 16-bit channel at 8 kHz: 44 bytes of RIFF header, then the samples.

use super::RATE;
use std::path::Path;

const HEADER: u32 = 44;
const BYTES_PER_SAMPLE: u16 = 2;

/// Writes `samples` to `path`, replacing what was there.
pub fn write(path: &Path, samples: &[i16]) -> std::io::Result<()> {
    std::fs::write(path, bytes(samples))
}

fn bytes(samples: &[i16]) -> Vec<u8> {
    let data = samples.len() as u32 * u32::from(BYTES_PER_SAMPLE);
    let mut file = Vec::with_capacity((HEADER + data) as usize);
    file.extend_from_slice(b"RIFF");
    file.extend_from_slice(&(HEADER - 8 + data).to_le_bytes());
    file.extend_from_slice(b"WAVEfmt ");
    file.extend_from_slice(&16_u32.to_le_bytes());
    // Format 1 is linear PCM, then the number of channels.
    file.extend([1_u16, 1].map(u16::to_le_bytes).concat());
    file.extend([RATE, RATE * u32::from(BYTES_PER_SAMPLE)].map(u32::to_le_bytes).concat());
    file.extend([BYTES_PER_SAMPLE, 8 * BYTES_PER_SAMPLE].map(u16::to_le_bytes).concat());
    file.extend_from_slice(b"data");
    file.extend_from_slice(&data.to_le_bytes());
    file.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_says_one_channel_of_16_bits_at_8000_hz_and_the_right_lengths() {
        let file = bytes(&[1, -2, 3]);
        let (header, samples) = file.split_at(HEADER as usize);
        let expected = [
            b"RIFF".as_slice(),
            &[42, 0, 0, 0],
            b"WAVEfmt ",
            &[16, 0, 0, 0, 1, 0, 1, 0, 0x40, 0x1f, 0, 0, 0x80, 0x3e, 0, 0, 2, 0, 16, 0],
            b"data",
            &[6, 0, 0, 0],
        ];
        assert_eq!(header, expected.concat());
        assert_eq!(samples, [1, 0, 0xfe, 0xff, 3, 0]);
    }
}
