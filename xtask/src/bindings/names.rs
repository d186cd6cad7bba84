//! Whether `uniffi.toml` took effect. A key that the generators do not know, or one under a wrong
//! name of the crate, is ignored without a word, and what comes out has other names.

use std::path::{Path, PathBuf};

/// Keys of which the effect is looked at, for each language. They have to be there.
const SEEN: &[(&str, &[&str])] = &[
    ("kotlin", &["package_name", "cdylib_name", "generate_immutable_records"]),
    (
        "swift",
        &["module_name", "ffi_module_name", "ffi_module_filename", "generate_immutable_records"],
    ),
];

/// Further keys that UniFFI 0.32 reads.
const KNOWN: &[(&str, &[&str])] = &[
    (
        "kotlin",
        &[
            "mutable_records",
            "omit_checksums",
            "custom_types",
            "external_packages",
            "android",
            "android_cleaner",
            "kotlin_target_version",
            "disable_java_cleaner",
            "rename",
            "exclude",
        ],
    ),
    (
        "swift",
        &[
            "mutable_records",
            "omit_checksums",
            "omit_argument_labels",
            "omit_localized_error_conformance",
            "generate_case_iterable_conformance",
            "generate_codable_conformance",
            "custom_types",
            "link_frameworks",
            "rename",
            "exclude",
        ],
    ),
];

/// What is wrong with what was generated for a language. Paths are those in the generators' folder.
pub(crate) fn problems(
    config: &str,
    krate: &str,
    language: &str,
    generated: &[(PathBuf, String)],
) -> Vec<String> {
    let of = |table: &[(&str, &'static [&'static str])]| {
        table.iter().find(|(name, _)| *name == language).map_or(&[][..], |(_, keys)| keys)
    };
    let (seen, known) = (of(SEEN), of(KNOWN));
    let section = format!("crates.{krate}.bindings.{language}");
    let keys = keys(config, &section);
    let mut problems = Vec::new();
    for (key, _) in &keys {
        if !seen.contains(&key.as_str()) && !known.contains(&key.as_str()) {
            problems.push(format!("uniffi.toml: UniFFI has no `{key}` for {language}"));
        }
    }
    for key in seen {
        let Some((_, value)) = keys.iter().find(|(name, _)| name == key) else {
            problems.push(format!("uniffi.toml: `{key}` is missing in [{section}]"));
            continue;
        };
        if let Some(missing) = missing(language, key, value, &keys, generated) {
            problems.push(format!(
                "uniffi.toml: `{key} = {value}` had no effect on what was generated: {missing}"
            ));
        }
    }
    problems
}

/// What should be in the generated files if this key was heard, and is not.
fn missing(
    language: &str,
    key: &str,
    value: &str,
    keys: &[(String, String)],
    generated: &[(PathBuf, String)],
) -> Option<String> {
    let file = |path: &Path| generated.iter().find(|(other, _)| other == path);
    let has = |extension: &str, line: &str| {
        generated
            .iter()
            .filter(|(path, _)| path.extension().is_some_and(|other| other == extension))
            .any(|(_, text)| text.contains(line))
    };
    let missing_line = |extension: &str, line: String| {
        (!has(extension, &line)).then(|| format!("no file .{extension} has `{line}`"))
    };
    let missing_file = |path: PathBuf| {
        file(&path).is_none().then(|| format!("there is no file {}", path.display()))
    };
    match (language, key) {
        ("kotlin", "package_name") => {
            missing_line("kt", format!("package {value}\n")).or_else(|| {
                let folder: PathBuf = value.split('.').collect();
                let there = generated.iter().any(|(path, _)| path.starts_with(&folder));
                (!there).then(|| format!("there is no folder {}", folder.display()))
            })
        }
        ("kotlin", "cdylib_name") => missing_line("kt", format!("\"{value}\"")),
        ("swift", "module_name") => missing_file(format!("{value}.swift").into()),
        ("swift", "ffi_module_name") => missing_line("swift", format!("import {value}\n")),
        ("swift", "ffi_module_filename") => missing_file(format!("{value}.h").into()),
        // UniFFI makes all fields immutable but those of the records named here.
        (_, "generate_immutable_records") if value == "true" => {
            if keys.iter().any(|(key, _)| key == "mutable_records") {
                return None;
            }
            let mutable = mutable_field(language, generated)?;
            Some(format!("a field of a record can be changed: `{mutable}`"))
        }
        _ => None,
    }
}

/// The first field of a record that can be changed.
fn mutable_field<'a>(language: &str, generated: &'a [(PathBuf, String)]) -> Option<&'a str> {
    // How a record begins, how its fields can be told, and where they end.
    let (begin, field, end) = match language {
        "kotlin" => ("data class ", "var ", ")"),
        _ => ("public struct ", "public var ", "public init("),
    };
    for (_, text) in generated {
        let mut inside = false;
        for line in text.lines().map(str::trim) {
            if line.starts_with(begin) && !line.starts_with("public struct FfiConverter") {
                inside = true;
            } else if line.starts_with(end) || line == "}" {
                inside = false;
            // A computed property has a body.
            } else if inside && line.starts_with(field) && !line.ends_with('{') {
                return Some(line);
            }
        }
    }
    None
}

/// The keys of a section with their values, without quotes; tables below it count as keys.
fn keys(config: &str, section: &str) -> Vec<(String, String)> {
    let mut keys = Vec::new();
    let mut inside = false;
    for line in config.lines().map(str::trim) {
        if let Some(header) = line.strip_prefix('[') {
            let header = header.split(']').next().unwrap_or("");
            inside = header == section;
            let below = header.strip_prefix(section).and_then(|rest| rest.strip_prefix('.'));
            if let Some(below) = below {
                let key = below.split('.').next().unwrap_or(below);
                keys.push((key.to_owned(), String::new()));
            }
        } else if inside
            && !line.starts_with('#')
            && let Some((key, value)) = line.split_once('=')
        {
            let value = value.split(" #").next().unwrap_or("").trim().trim_matches('"');
            keys.push((key.trim().to_owned(), value.to_owned()));
        }
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "
        [crates.a_ffi.bindings.kotlin]
        package_name = \"dev.a.ffi\" # where it is
        cdylib_name = \"a_ffi\"
        generate_immutable_records = true
        [crates.a_ffi.bindings.swift]
        module_name = \"AFFI\"
        ffi_module_name = \"CA\"
        ffi_module_filename = \"CA\"
        generate_immutable_records = true
    ";

    fn kotlin(folder: &str, text: &str) -> Vec<(PathBuf, String)> {
        vec![(PathBuf::from(folder).join("a_ffi.kt"), text.to_owned())]
    }

    const KOTLIN: &str = "package dev.a.ffi\n\nfun name() = \"a_ffi\"\n\
                          data class Message (\n    val `id`: kotlin.String\n){\n}\n";

    #[test]
    fn names_that_took_effect_are_no_problem() {
        let generated = kotlin("dev/a/ffi", KOTLIN);
        assert_eq!(problems(CONFIG, "a_ffi", "kotlin", &generated), [""; 0]);
        let swift = "import CA\npublic struct Message {\n    public let id: String\n\
                     public init(id: String) {\n";
        let generated = vec![
            ("AFFI.swift".into(), swift.to_owned()),
            ("CA.h".into(), "#pragma once\n".to_owned()),
        ];
        assert_eq!(problems(CONFIG, "a_ffi", "swift", &generated), [""; 0]);
    }

    #[test]
    fn a_name_that_was_not_heard_is_told_with_its_key() {
        let told = |config: &str, generated: &[(PathBuf, String)]| {
            problems(config, "a_ffi", "kotlin", generated).join("\n")
        };
        let other = kotlin("uniffi/a_ffi", &KOTLIN.replace("dev.a.ffi", "uniffi.a_ffi"));
        assert!(told(CONFIG, &other).contains("`package_name = dev.a.ffi` had no effect"));
        let mutable = kotlin("dev/a/ffi", &KOTLIN.replace("val `id`", "var `id`"));
        assert!(told(CONFIG, &mutable).contains("can be changed: `var `id`: kotlin.String`"));
        let good = kotlin("dev/a/ffi", KOTLIN);
        let typo = CONFIG.replace("cdylib_name", "cdylib");
        assert!(told(&typo, &good).contains("has no `cdylib`"));
        assert!(told(&typo, &good).contains("`cdylib_name` is missing"));
        let crate_name = CONFIG.replace("crates.a_ffi", "crates.a-ffi");
        assert!(told(&crate_name, &good).contains("missing in [crates.a_ffi.bindings.kotlin]"));
        let generated = vec![("a_ffi.swift".into(), "import a_ffiFFI\n".to_owned())];
        let told = problems(CONFIG, "a_ffi", "swift", &generated).join("\n");
        for key in ["`module_name = AFFI`", "`ffi_module_name = CA`", "`ffi_module_filename = CA`"]
        {
            assert!(told.contains(key), "{key} in {told}");
        }
    }

    #[test]
    fn tables_below_a_section_are_keys_of_it() {
        let config = "[crates.a.bindings.kotlin.custom_types.Url]\nx = 1\n";
        assert_eq!(keys(config, "crates.a.bindings.kotlin")[0].0, "custom_types");
    }
}
