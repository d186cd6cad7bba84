//! The resources of the example for Android, looked at where there are none of Android's tools: what is used has
//! to exist, and what people with other eyes, hands and scripts need has to be there.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io;
use std::path::Path;

use crate::workspace::{files, read, root};

/// Where they are.
const FOLDER: &str = "examples-android/src/main/res";
const MANIFEST: &str = "examples-android/src/main/AndroidManifest.xml";
/// Where the class that names them is written.
const CLASS: &str = "examples-android/target/resources/R.kt";

/// Kinds of values, and what they are called in code.
const VALUES: &[(&str, &str)] = &[
    ("string", "string"),
    ("plurals", "plurals"),
    ("color", "color"),
    ("style", "style"),
    ("dimen", "dimen"),
];

/// Names by kind: `string`, `layout`, `id` …
type Names = BTreeMap<String, BTreeSet<String>>;

/// Looks at them, and writes the class that names them in code: Android's tools would.
pub(crate) fn prepare() -> Result<(), String> {
    let sources = sources().map_err(|error| error.to_string())?;
    let names = names(&sources);
    let problems: Vec<String> =
        sources.iter().flat_map(|(path, xml)| problems(path, xml, &names)).collect();
    if !problems.is_empty() {
        return Err(problems.join("\n"));
    }
    let class = root().join(CLASS);
    let told = |error: io::Error| format!("{}: {error}", class.display());
    if let Some(folder) = class.parent() {
        std::fs::create_dir_all(folder).map_err(told)?;
    }
    std::fs::write(&class, code(&names)).map_err(told)
}

fn sources() -> io::Result<Vec<(String, String)>> {
    let mut sources = vec![(MANIFEST.to_owned(), read(MANIFEST)?)];
    for path in files(FOLDER, "xml")? {
        sources.push((path.to_string_lossy().into_owned(), read(&path)?));
    }
    Ok(sources)
}

/// The name of the folder below `res`, without what it is for: `values` of `values-night`.
fn folder(path: &str) -> &str {
    let parent = Path::new(path).parent().and_then(Path::file_name);
    let name = parent.and_then(|name| name.to_str()).unwrap_or("");
    name.split('-').next().unwrap_or(name)
}

/// What there is.
fn names(sources: &[(String, String)]) -> Names {
    let mut names = Names::new();
    for (path, xml) in sources {
        if folder(path) == "values" {
            for (tag, kind) in VALUES {
                for name in attributes(xml, &format!("<{tag} "), "name") {
                    names.entry((*kind).to_owned()).or_default().insert(name.replace('.', "_"));
                }
            }
        } else if path.contains("/res/") {
            let name = Path::new(path).file_stem().and_then(|name| name.to_str()).unwrap_or("");
            names.entry(folder(path).to_owned()).or_default().insert(name.to_owned());
        }
        for id in xml.split("\"@+id/").skip(1) {
            let id = id.split('"').next().unwrap_or("");
            names.entry("id".to_owned()).or_default().insert(id.to_owned());
        }
    }
    names
}

/// The values of an attribute of all tags that begin so.
fn attributes<'a>(
    xml: &'a str,
    tag: &'a str,
    attribute: &'a str,
) -> impl Iterator<Item = String> + 'a {
    tags(xml)
        .filter(move |found| found.starts_with(tag))
        .filter_map(move |tag| value(tag, attribute))
}

/// The tags of an XML file that open something, from `<` to before `>`, without comments.
fn tags(xml: &str) -> impl Iterator<Item = &str> {
    let mut rest = xml;
    std::iter::from_fn(move || {
        loop {
            let begin = rest.find('<')?;
            rest = &rest[begin..];
            let end = if rest.starts_with("<!--") { "-->" } else { ">" };
            let length = rest.find(end)?;
            let tag = &rest[..length];
            rest = &rest[length + end.len()..];
            if !tag.starts_with("<!") && !tag.starts_with("</") && !tag.starts_with("<?") {
                return Some(tag);
            }
        }
    })
}

/// The value of an attribute of a tag.
fn value(tag: &str, attribute: &str) -> Option<String> {
    let (before, rest) = tag.split_once(&format!("{attribute}=\""))?;
    // Not the end of another attribute's name.
    if !before.ends_with(char::is_whitespace) {
        return None;
    }
    Some(rest.split('"').next()?.to_owned())
}

/// What is wrong with one file.
fn problems(path: &str, xml: &str, names: &Names) -> Vec<String> {
    let mut problems = Vec::new();
    let mut wrong = |what: String| problems.push(format!("{path}: {what}"));
    for (kind, name) in references(xml) {
        if !names.get(&kind).is_some_and(|names| names.contains(&name.replace('.', "_"))) {
            wrong(format!("there is no @{kind}/{name}"));
        }
    }
    for tag in tags(xml) {
        let name = tag.trim_start_matches('<').split_whitespace().next().unwrap_or("");
        for attribute in [
            "android:text",
            "android:hint",
            "android:title",
            "android:label",
            "android:contentDescription",
        ] {
            if let Some(text) = value(tag, attribute)
                && !text.starts_with('@')
            {
                wrong(format!("`{text}` of {name} belongs into the strings"));
            }
        }
        if let Some(size) = value(tag, "android:textSize")
            && !size.ends_with("sp")
        {
            wrong(format!("the text of {name} does not grow with the user's setting: {size}"));
        }
        for side in ["Left", "Right"] {
            for attribute in [
                "android:layout_margin",
                "android:padding",
                "android:layout_alignParent",
                "android:drawable",
            ] {
                if value(tag, &format!("{attribute}{side}")).is_some() {
                    wrong(format!(
                        "{attribute}{side} of {name} is on the wrong side from right to left"
                    ));
                }
            }
        }
        let gravity =
            value(tag, "android:gravity").into_iter().chain(value(tag, "android:layout_gravity"));
        if gravity
            .flat_map(|gravity| gravity.split('|').map(str::to_owned).collect::<Vec<_>>())
            .any(|side| side == "left" || side == "right")
        {
            wrong(format!("the gravity of {name} is on the wrong side from right to left"));
        }
        if matches!(name, "ImageButton" | "ImageView")
            && value(tag, "android:contentDescription").is_none()
        {
            wrong(format!("{name} says nothing to a screen reader"));
        }
        if name == "EditText"
            && value(tag, "android:hint").is_none()
            && !value(tag, "android:id")
                .is_some_and(|id| xml.contains(&format!("labelFor=\"{id}\"")))
        {
            wrong("an EditText has neither a hint nor a label".into());
        }
        if name == "application" && value(tag, "android:supportsRtl").as_deref() != Some("true") {
            wrong("the app is not turned around from right to left".into());
        }
    }
    problems
}

/// What a file refers to, of the app's own.
fn references(xml: &str) -> Vec<(String, String)> {
    let mut references = Vec::new();
    for text in xml.split(['"', '>']).filter_map(|text| text.strip_prefix('@')) {
        let text = text.split('<').next().unwrap_or("");
        if let Some((kind, name)) = text.trim_start_matches('+').split_once('/')
            && !kind.contains(':')
        {
            references.push((kind.to_owned(), name.to_owned()));
        }
    }
    references
}

/// The class that names them in code, as Android's tools make it.
fn code(names: &Names) -> String {
    let mut code = String::from("package dev.tidewire.example\n\nobject R {\n");
    let mut number = 0x7f01_0000_u32;
    for (kind, names) in names {
        // Writing into a string cannot fail.
        let _ = writeln!(code, "    object {kind} {{");
        for name in names {
            number += 1;
            let _ = writeln!(code, "        const val {name}: Int = {number}");
        }
        code.push_str("    }\n");
    }
    code.push_str("}\n");
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRINGS: &str = "<resources>\n<!-- <string name=\"old\"> -->\n<string name=\"go\">Go</string>\n\
                           <style name=\"Text.Small\" parent=\"@style/Text\"><item name=\"a\">@color/ink</item></style>\n\
                           <style name=\"Text\"/><color name=\"ink\">#000</color></resources>";

    fn found() -> Names {
        names(&[
            ("res/values/strings.xml".into(), STRINGS.into()),
            ("examples/res/layout/chat.xml".into(), "<View android:id=\"@+id/row\" />".into()),
        ])
    }

    fn wrong(xml: &str) -> Vec<String> {
        problems("layout/a.xml", xml, &found())
    }

    #[test]
    fn what_there_is_gets_a_name_in_code() {
        let code = code(&found());
        for line in [
            "object string {",
            "const val go: Int",
            "const val Text_Small: Int",
            "const val chat: Int",
            "const val row: Int",
        ] {
            assert!(code.contains(line), "{line}: {code}");
        }
        assert!(!code.contains("old"), "{code}");
        assert_eq!(problems("values/strings.xml", STRINGS, &found()), [""; 0]);
    }

    #[test]
    fn what_is_used_has_to_exist() {
        assert_eq!(
            wrong("<Button android:text=\"@string/go\" style=\"@style/Text.Small\" />"),
            [""; 0]
        );
        assert_eq!(wrong("<Button android:text=\"@android:string/ok\" />"), [""; 0]);
        assert_eq!(
            wrong("<Button android:text=\"@string/stop\" />"),
            ["layout/a.xml: there is no @string/stop"]
        );
        assert_eq!(
            wrong("<item name=\"android:colorAccent\">@color/tide</item>"),
            ["layout/a.xml: there is no @color/tide"]
        );
    }

    #[test]
    fn everybody_can_use_it() {
        for bad in [
            "<Button android:text=\"Go\" />",
            "<TextView android:textSize=\"16dp\" />",
            "<View android:paddingLeft=\"8dp\" />",
            "<View android:layout_marginRight=\"8dp\" />",
            "<TextView android:gravity=\"top|left\" />",
            "<ImageButton android:src=\"@drawable/x\" android:id=\"@+id/row\" />",
            "<EditText android:id=\"@+id/row\" />",
            "<application android:label=\"@string/go\" />",
        ] {
            assert!(!wrong(bad).is_empty(), "{bad}");
        }
        for good in [
            "<TextView android:textSize=\"16sp\" android:paddingStart=\"8dp\" android:gravity=\"top|start\" />",
            "<ImageButton android:contentDescription=\"@string/go\" />",
            "<EditText android:hint=\"@string/go\" />",
            "<TextView android:labelFor=\"@+id/row\" /><EditText android:id=\"@+id/row\" />",
            "<application android:supportsRtl=\"true\" />",
        ] {
            assert_eq!(wrong(good), [""; 0], "{good}");
        }
    }

    #[test]
    fn the_example_s_own_are_well() {
        let sources = sources().unwrap();
        let names = names(&sources);
        let problems: Vec<String> =
            sources.iter().flat_map(|(path, xml)| problems(path, xml, &names)).collect();
        assert_eq!(problems, [""; 0]);
        assert!(names["string"].len() > 30, "{names:?}");
    }
}
