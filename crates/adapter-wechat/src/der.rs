//! PEM, and the few fields of an X.509 certificate that verification needs: serial, validity, public key.
//!
//! A platform certificate's chain is not walked: it reaches us inside an answer that only holders of the APIv3 key
//! can encrypt, or from the operator's own file. So there is nothing to decide here beyond where the fields stand.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kernel::Timestamp;

use crate::moment;

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const VERSION: u8 = 0xA0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// What is read of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Certificate {
    /// In capital hexadecimal digits without leading zeros, as headers name it.
    pub(crate) serial: String,
    /// `SubjectPublicKeyInfo` in DER.
    pub(crate) public_key: Vec<u8>,
    /// From when it is valid.
    pub(crate) not_before: Timestamp,
    /// Until when.
    pub(crate) not_after: Timestamp,
}

impl Certificate {
    /// Reads one from DER.
    pub(crate) fn read(der: &[u8]) -> Option<Self> {
        let (certificate, _) = take(der).filter(|(value, _)| value.tag == SEQUENCE)?;
        let (signed, _) = take(certificate.content).filter(|(value, _)| value.tag == SEQUENCE)?;
        let mut rest = signed.content;
        let mut next = |tag: u8| -> Option<Value<'_>> {
            let (value, after) = take(rest)?;
            rest = after;
            (value.tag == tag).then_some(value)
        };
        let first = next(VERSION);
        // Certificates of version 1 begin with the serial; nobody issues them any more.
        first?;
        let serial = next(INTEGER)?;
        let (_algorithm, _issuer) = (next(SEQUENCE)?, next(SEQUENCE)?);
        let validity = next(SEQUENCE)?;
        let _subject = next(SEQUENCE)?;
        let public_key = next(SEQUENCE)?.whole.to_vec();
        let (from, after) = take(validity.content)?;
        let (until, _) = take(after)?;
        let serial = serial_text(&hex::encode_upper(serial.content));
        Some(Self { serial, public_key, not_before: time(&from)?, not_after: time(&until)? })
    }
}

/// A serial as it is compared: capitals, without leading zeros.
pub(crate) fn serial_text(serial: &str) -> String {
    serial.trim_start_matches('0').to_ascii_uppercase()
}

/// The bytes of every block with that label, in order; `None` where one cannot be read.
pub(crate) fn pem_blocks(text: &str, label: &str) -> Option<Vec<Vec<u8>>> {
    let (begin, end) = (format!("-----BEGIN {label}-----"), format!("-----END {label}-----"));
    let mut blocks = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once(&begin) {
        let (body, after) = after.split_once(&end)?;
        let digits: String = body.chars().filter(|sign| !sign.is_whitespace()).collect();
        blocks.push(STANDARD.decode(digits).ok()?);
        rest = after;
    }
    Some(blocks)
}

struct Value<'a> {
    tag: u8,
    content: &'a [u8],
    whole: &'a [u8],
}

/// The first value and what follows it.
fn take(input: &[u8]) -> Option<(Value<'_>, &[u8])> {
    let (tag, after) = input.split_first()?;
    let (first, after) = after.split_first()?;
    let (length, content) = if *first < 0x80 {
        (usize::from(*first), after)
    } else {
        let digits = usize::from(*first & 0x7F);
        if !(1..=3).contains(&digits) {
            return None;
        }
        let (bytes, content) = after.split_at_checked(digits)?;
        (bytes.iter().fold(0_usize, |sum, byte| (sum << 8) | usize::from(*byte)), content)
    };
    let (content, rest) = content.split_at_checked(length)?;
    let whole = input.get(..input.len() - rest.len())?;
    Some((Value { tag: *tag, content, whole }, rest))
}

fn time(value: &Value<'_>) -> Option<Timestamp> {
    let text = std::str::from_utf8(value.content).ok()?;
    let (year, rest) = match value.tag {
        UTC_TIME => {
            let (short, rest) = text.split_at_checked(2)?;
            // RFC 5280: two digits mean 1950 to 2049.
            (format!("{}{short}", if short < "50" { "20" } else { "19" }), rest)
        }
        GENERALIZED_TIME => {
            let (year, rest) = text.split_at_checked(4)?;
            (year.to_owned(), rest)
        }
        _ => return None,
    };
    let (month, day) = (rest.get(..2)?, rest.get(2..4)?);
    let (hour, minute, second, zone) = (rest.get(4..6)?, rest.get(6..8)?, rest.get(8..10)?, rest.get(10..)?);
    moment::parse(&format!("{year}-{month}-{day}T{hour}:{minute}:{second}{zone}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEM: &str = include_str!("../../../tests/src/fakes/wechat_keys/platform_certificate.pem");

    #[test]
    fn a_certificate_is_read() {
        let blocks = pem_blocks(PEM, "CERTIFICATE").unwrap();
        let certificate = Certificate::read(&blocks[0]).unwrap();
        assert_eq!(certificate.serial, "5157F09EFDC096DE15EBE81A47057A7232F1B8E1");
        assert_eq!(certificate.not_before, moment::parse("2020-01-01T00:00:00Z").unwrap());
        assert_eq!(certificate.not_after, moment::parse("2120-01-01T00:00:00Z").unwrap());
        let header = pem_blocks(
            include_str!("../../../tests/src/fakes/wechat_keys/platform_public.pem"),
            "PUBLIC KEY",
        );
        assert_eq!(certificate.public_key, header.unwrap()[0]);
    }

    #[test]
    fn a_certificate_that_was_cut_anywhere_is_none() {
        let der = pem_blocks(PEM, "CERTIFICATE").unwrap().remove(0);
        for length in 0..der.len() {
            assert_eq!(Certificate::read(&der[..length]), None, "{length}");
        }
    }

    #[test]
    fn a_block_without_an_end_or_not_in_base64_is_refused() {
        assert_eq!(pem_blocks("-----BEGIN X-----\nAAAA\n", "X"), None);
        assert_eq!(pem_blocks("-----BEGIN X-----\n?\n-----END X-----", "X"), None);
        assert_eq!(pem_blocks("nothing", "X"), Some(Vec::new()));
    }

    #[test]
    fn serials_are_compared_without_case_and_leading_zeros() {
        assert_eq!(serial_text("00ab12"), serial_text("AB12"));
    }
}
