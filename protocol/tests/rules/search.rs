//! What a query finds.

use proptest::prelude::*;
use tidewire_protocol::{InvalidSearch, SearchTerms, index_text, limits};

fn terms(text: &str) -> Vec<String> {
    index_text(text).split(' ').map(str::to_owned).collect()
}

fn finds(query: &str, text: &str) -> bool {
    SearchTerms::parse(query).unwrap().find(text).is_some()
}

fn marked<'a>(query: &str, text: &'a str) -> Vec<&'a str> {
    let found = SearchTerms::parse(query).unwrap().find(text).unwrap();
    found.into_iter().map(|range| &text[range]).collect()
}

#[test]
fn words_have_no_case_and_no_accents_and_one_form() {
    assert_eq!(terms("Hello, WORLD-wide 42x!"), ["hello", "world", "wide", "42x"]);
    for (query, text) in [
        ("cafe", "CAFÉ"),
        ("café", "cafe"),
        ("cafe\u{301}", "café"),
        ("strasse", "Straße"),
        ("ΟΔΟΣ", "οδος"),
        ("istanbul", "İSTANBUL"),
        ("ёлка", "елка"),
        ("ﬁn", "fin"),
        ("full", "ＦＵＬＬ"),
        ("kg", "5 ㎏"),
        ("احمد", "أحْمَد"),
        ("שלום", "שָׁלוֹם"),
        ("हिन्दी", "हिन्दी में"),
        ("한국", "\u{1112}\u{1161}\u{11ab}\u{1100}\u{116e}\u{11a8}에서"),
    ] {
        assert!(
            finds(query, text),
            "{query} in {text}: {} {}",
            index_text(query),
            index_text(text)
        );
    }
}

#[test]
fn the_last_word_may_be_a_beginning_and_the_others_are_whole() {
    assert!(finds("see tom", "I see you tomorrow"));
    assert!(!finds("tom see", "I see you tomorrow"));
    assert!(finds("a", "a thing"));
    assert!(!finds("t", "a thing"), "one letter begins too much");
}

#[test]
fn scripts_without_spaces_are_found_by_any_part() {
    let text = "明日は東京都へ行きます";
    for query in ["東京", "東京都", "京都", "行きます", "東", "へ", "す", "明日 東京"]
    {
        assert!(finds(query, text), "{query}: {}", index_text(text));
    }
    assert!(!finds("都京", text));
    assert!(finds("は", "\u{306f}"));
    assert!(!finds("は", "ば"));
    assert!(finds("ガ", "ｶﾞ"));
    assert!(finds("สวัสดี", "สวัสดีครับ"));
    assert_eq!(marked("東", text), ["東"]);
    assert_eq!(marked("東京都", text), ["東京都"]);
}

#[test]
fn emoji_are_terms_whatever_their_skin_and_family() {
    assert!(finds("👍", "ok👍🏽"));
    assert!(finds("👍🏿", "👍"));
    assert!(finds("👩", "👨‍👩‍👧 came"));
    assert!(finds("❤️", "I ❤ it"));
    assert!(finds("🇩🇪", "from 🇫🇷🇩🇪!"));
    assert!(!finds("🇷🇩", "from 🇫🇷🇩🇪!"));
    assert_eq!(marked("ok 👍", "ok👍🏽"), ["ok👍"]);
}

#[test]
fn text_from_right_to_left_is_marked_where_it_stands() {
    let text = "abc \u{202b}مرحبا بالعالم\u{202c} def";
    assert_eq!(marked("بالعالم", text), ["بالعالم"]);
    assert_eq!(marked("مرحبا def", text), ["مرحبا", "def"]);
}

#[test]
fn what_looks_like_an_operator_is_only_a_separator() {
    for query in ["\"hello\" world*", "hello NEAR", "-hello", "hello:world", "hello' OR 1=1 --"] {
        let query = SearchTerms::parse(query).unwrap();
        assert!(query.terms().iter().all(|term| term.text.chars().all(char::is_alphanumeric)));
    }
    assert!(finds("-hello", "hello"));
    assert!(!finds("hello OR", "hello"));
    assert!(finds("hello NEAR", "hello near"));
}

#[test]
fn a_query_that_finds_nothing_whatever_there_is_says_so() {
    for query in ["", "   ", "\"*-().", "\u{200d}\u{fe0f}", "\u{301}"] {
        assert_eq!(SearchTerms::parse(query), Err(InvalidSearch::Empty), "{query:?}");
    }
    let long = "x".repeat(10 * 1024);
    assert_eq!(SearchTerms::parse(&long), Err(InvalidSearch::TooLong(10 * 1024)));
    let longest = "東".repeat(limits::SEARCH_QUERY_BYTES / 3);
    assert!(SearchTerms::parse(&longest).is_ok());
}

#[test]
fn a_word_longer_than_any_is_found_by_itself() {
    let word = "ab".repeat(100);
    assert!(finds(&word, &word));
    assert!(terms(&word)[0].len() < word.len());
}

/// Letters and marks of many scripts, emoji, joiners, operators.
fn texts() -> impl Strategy<Value = String> {
    let alphabet = "[a-zA-Z0-9 \"*().:'\\-éÅßİſﬁŐа-яё\u{300}-\u{304}\u{345}א-ת\u{5b0}-\u{5c2}\
                    ا-ي\u{64b}-\u{652}क-ह\u{93c}-\u{94d}ক\u{9be}\u{9c7}가-각\u{1100}\u{1161}\u{11a8}\
                    一-丁東京ぁ-ん\u{3099}ｱﾞ฀-๏👍🏽\u{200d}\u{fe0f}🇩🇪❤½㎏™\u{200f}\u{e000}]{0,40}";
    prop_oneof![alphabet.prop_map(|text| text), any::<String>()]
}

proptest! {
    #[test]
    fn each_of_a_texts_own_words_finds_it(text in texts()) {
        for word in text.split_whitespace().filter(|word| word.len() <= limits::SEARCH_QUERY_BYTES) {
            if let Ok(query) = SearchTerms::parse(word) {
                prop_assert!(query.find(&text).is_some(), "{word:?} in {text:?}: {query:?}");
            }
        }
        if let Ok(query) = SearchTerms::parse(&text) {
            prop_assert!(query.find(&text).is_some());
        }
    }

    #[test]
    fn what_the_index_holds_finds_what_the_text_does(text in texts(), query in texts()) {
        if let Ok(query) = SearchTerms::parse(&query) {
            let index = index_text(&text);
            let in_index = query.terms().iter().all(|term| {
                index.split(' ').any(|known| {
                    known == term.text || (term.prefix && known.starts_with(&term.text))
                })
            });
            prop_assert_eq!(in_index, query.find(&text).is_some());
        }
    }

    #[test]
    fn an_index_cuts_at_spaces_alone(text in texts()) {
        for term in index_text(&text).split(' ') {
            prop_assert!(term.chars().all(|c| !c.is_ascii() || c.is_ascii_lowercase() || c.is_ascii_digit()), "{term:?}");
            let private = term.chars().any(|c| ('\u{e000}'..='\u{f8ff}').contains(&c));
            prop_assert!(!private);
        }
    }

    #[test]
    fn the_form_in_which_a_text_is_written_makes_no_difference(text in texts()) {
        let nfd = icu_normalizer::DecomposingNormalizerBorrowed::new_nfd().normalize(&text);
        prop_assert_eq!(index_text(&nfd), index_text(&text));
    }

    #[test]
    fn places_are_of_the_text_and_in_order(text in texts(), query in texts()) {
        if let Ok(query) = SearchTerms::parse(&query)
            && let Some(found) = query.find(&text)
        {
            let mut last = 0;
            for range in found {
                prop_assert!(range.start >= last && range.start < range.end);
                prop_assert!(text.get(range.clone()).is_some());
                last = range.end;
            }
        }
    }
}
