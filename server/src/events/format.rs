//! The text of an event stream, as the HTML standard has it.

/// What keeps a silent stream alive: a line that means nothing.
pub(super) const COMMENT: &str = ":\n\n";

/// One event. `id` is where a client resumes from; it and `name` are of one line.
pub(super) fn event(name: &str, id: Option<&str>, data: &str) -> String {
    let mut text = format!("event: {name}\n");
    if let Some(id) = id {
        text.push_str(&format!("id: {id}\n"));
    }
    // Raw line ends may stand between the tokens of JSON that clients wrote, and each would end the
    // line here. Within strings there are none, so that nothing is changed by a `\r` that comes out
    // as a `\n`.
    for line in data.replace("\r\n", "\n").split(['\n', '\r']) {
        text.push_str("data: ");
        text.push_str(line);
        text.push('\n');
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_has_a_name_an_id_and_its_data_on_one_line() {
        assert_eq!(
            event("batch", Some("c7"), r#"{"a":1}"#),
            "event: batch\nid: c7\ndata: {\"a\":1}\n\n"
        );
        assert_eq!(event("policy", None, "{}"), "event: policy\ndata: {}\n\n");
    }

    #[test]
    fn a_line_end_of_any_kind_within_the_data_begins_another_data_line() {
        assert_eq!(
            event("x", None, "a\nb\r\nc\rd\n"),
            "event: x\ndata: a\ndata: b\ndata: c\ndata: d\ndata: \n\n"
        );
        assert_eq!(event("x", None, ""), "event: x\ndata: \n\n");
    }
}
