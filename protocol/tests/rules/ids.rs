//! Identifiers and sequence numbers at their edges.

use tidewire_protocol::{EventId, InvalidId, RoomId, Seq, UserId, limits};

#[test]
fn a_user_id_has_1_to_128_bytes() {
    assert_eq!(UserId::new(""), Err(InvalidId::UserIdLength(0)));
    assert!(UserId::new("a").is_ok());
    assert!(UserId::new("a".repeat(limits::USER_ID_BYTES)).is_ok());
    assert_eq!(UserId::new("a".repeat(129)), Err(InvalidId::UserIdLength(129)));
    // Bytes, not characters: 64 times two bytes fit, one more does not.
    assert!(UserId::new("é".repeat(64)).is_ok());
    assert_eq!(UserId::new("é".repeat(65)), Err(InvalidId::UserIdLength(130)));
}

#[test]
fn a_user_id_refuses_white_space_and_control_characters() {
    for text in [
        "a b",
        " a",
        "a ",
        "a\tb",
        "a\nb",
        "a\r",
        "a\0",
        "\u{7f}",
        "a\u{1b}[0m",
        "\u{85}",
        "a\u{9f}",
        "a\u{a0}b",
        "a\u{2028}b",
        "a\u{3000}b",
    ] {
        assert_eq!(UserId::new(text), Err(InvalidId::UserIdCharacter), "{text:?}");
        assert_eq!(text.parse::<UserId>(), Err(InvalidId::UserIdCharacter), "{text:?}");
        let json = serde_json::to_string(text).unwrap();
        assert!(serde_json::from_str::<UserId>(&json).is_err(), "{text:?}");
    }
    for text in ["a@b.example", "auth0|5f7c", "Zoë", "日本", "a/b?c#d%20", "-", "😀"] {
        assert_eq!(UserId::new(text).unwrap().as_str(), text);
    }
}

#[test]
fn a_uuid_has_the_hyphenated_form() {
    let id: RoomId = "0199c306-6400-7c3e-9a41-6f2d8e0b1c52".parse().unwrap();
    // Upper case is read and never written.
    let upper: RoomId = "0199C306-6400-7C3E-9A41-6F2D8E0B1C52".parse().unwrap();
    assert_eq!(id, upper);
    assert_eq!(upper.to_string(), "0199c306-6400-7c3e-9a41-6f2d8e0b1c52");
    for text in [
        "",
        "harbour",
        "0199c30664007c3e9a416f2d8e0b1c52",
        "{0199c306-6400-7c3e-9a41-6f2d8e0b1c52}",
        "urn:uuid:0199c306-6400-7c3e-9a41-6f2d8e0b1c52",
        "0199c306-6400-7c3e-9a41-6f2d8e0b1c5",
        "0199c306-6400-7c3e-9a41-6f2d8e0b1c5g",
        "0199c306-6400-7c3e-9a41-6f2d8e0b1c52 ",
        "0199c306+6400-7c3e-9a41-6f2d8e0b1c52",
    ] {
        assert_eq!(text.parse::<EventId>(), Err(InvalidId::NotUuid), "{text}");
        assert!(serde_json::from_value::<EventId>(text.into()).is_err(), "{text}");
        assert!(serde_json::from_value::<RoomId>(text.into()).is_err(), "{text}");
    }
}

#[test]
fn a_seq_stops_at_its_ends() {
    assert_eq!(Seq::ZERO.previous(), Seq::ZERO);
    assert_eq!(Seq::ZERO.next(), Seq::new(1));
    assert_eq!(Seq::new(1).previous(), Seq::ZERO);
    let last = Seq::new(u64::MAX);
    assert_eq!(last.next(), last);
    assert_eq!(last.previous().next(), last);
    assert_eq!(serde_json::to_string(&last).unwrap(), "18446744073709551615");
    assert_eq!(serde_json::from_str::<Seq>("18446744073709551615").unwrap(), last);
    for text in ["18446744073709551616", "-1", "1.0", "1e3", "\"1\"", "null"] {
        assert!(serde_json::from_str::<Seq>(text).is_err(), "{text}");
    }
}
