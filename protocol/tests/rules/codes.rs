//! Error codes that this version does not know.

use tidewire_protocol::{ErrorBody, ErrorCode, WireError};

#[test]
fn an_unknown_code_is_kept_and_its_temporary_counts() {
    let body: ErrorBody = serde_json::from_str(
        r#"{"error":{"code":"moon_phase","message":"wait","temporary":true,"retry_after_ms":5}}"#,
    )
    .unwrap();
    assert_eq!(body.error.code, ErrorCode::Other("moon_phase".into()));
    assert!(body.error.temporary, "the server's word counts, not what the code would imply");
    assert_eq!(body.error.retry_after_ms, Some(5));
}

#[test]
fn an_unknown_code_without_more_is_final() {
    let error: WireError = serde_json::from_str(r#"{"code":"later","message":""}"#).unwrap();
    assert!(!error.temporary);
    assert_eq!(error.code.status(), 400);
    assert!(!error.code.is_temporary());
    assert_eq!(error.retry_after_ms, None);
}

#[test]
fn a_code_with_escapes_in_its_json_is_the_same_code() {
    let error: WireError =
        serde_json::from_str(r#"{"code":"not\u005fa_member","message":""}"#).unwrap();
    assert_eq!(error.code, ErrorCode::NotAMember);
}

#[test]
fn every_code_reads_back_as_itself() {
    for code in ErrorCode::ALL {
        assert_eq!(&ErrorCode::from(code.as_str()), code);
        assert!(!matches!(code, ErrorCode::Other(_)));
        assert_eq!(code.is_temporary(), code.status() == 429 || code.status() >= 500);
    }
}

#[test]
fn a_portal_page_is_no_error_body() {
    for text in [
        "<html>log in first</html>",
        "",
        "{}",
        r#"{"error":"forbidden"}"#,
        r#"{"error":{"message":"x"}}"#,
        r#"{"error":{"code":403,"message":"x"}}"#,
    ] {
        assert!(serde_json::from_str::<ErrorBody>(text).is_err(), "{text}");
    }
}
