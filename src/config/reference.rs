//! The reference of the settings, docs/configuration.md, made from their
//! declarations.

use std::fmt::Write;

use super::known::{ANY, SECTIONS, Section};
use crate::gateway::section;
use crate::kernel::setting::{Default, Setting, ValueKind};

const INTRODUCTION: &str = "\
# Configuration

This page is generated from the settings' declarations (`tillgate reference configuration`); a test
keeps it equal to them.

The configuration is the file of `--config`, else `tillgate.toml` in the working directory, else
`/etc/tillgate/tillgate.toml`. `tillgate init` writes one with fresh secrets, `tillgate check` says
what is wrong with it. Unknown keys are errors.

Each setting can be given by the environment instead: `TILLGATE_`, the key in capitals, and `__`
between levels, such as `TILLGATE_SOURCES__SM__TOKEN`. Lists are separated by commas there. Each
secret can be given as the path of a file that holds it: `token_file`, or
`TILLGATE_SOURCES__SM__TOKEN_FILE`. No two settings may hold the same secret.
";

/// The whole reference, in Markdown.
#[must_use]
pub fn markdown() -> String {
    let mut page = INTRODUCTION.to_owned();
    for section in SECTIONS {
        write_section(&mut page, &title(section), section.about, section.settings);
        if section.place.last() == Some(&"outgoing") {
            write_gateways(&mut page);
        }
    }
    page
}

fn title(section: &Section) -> String {
    let levels: Vec<&str> =
        section.place.iter().map(|level| if *level == ANY { "<name>" } else { level }).collect();
    if levels.is_empty() { "Top level".into() } else { format!("`[{}]`", levels.join(".")) }
}

fn write_gateways(page: &mut String) {
    for (protocol, settings) in section::settings() {
        let title = format!("`[gateways.<name>]` with `protocol = \"{protocol}\"`");
        let about = "A payment system. Its notifications come to `POST /hooks/<name>`.";
        write_section(page, &title, about, settings);
    }
}

fn write_section(page: &mut String, title: &str, about: &str, settings: &[Setting]) {
    let _ = writeln!(page, "\n## {title}\n\n{about}\n\n| key | value | default | meaning |");
    page.push_str("|---|---|---|---|\n");
    for setting in settings {
        let key =
            if setting.key == ANY { "`\"<store>\"`".into() } else { format!("`{}`", setting.key) };
        let default = match setting.default {
            Default::Required => "required".into(),
            Default::None => "–".into(),
            Default::Value(value) => format!("`{value}`"),
        };
        let _ =
            writeln!(page, "| {key} | {} | {default} | {} |", kind(setting.kind), setting.about);
    }
}

const fn kind(kind: ValueKind) -> &'static str {
    match kind {
        ValueKind::Text => "text",
        ValueKind::Secret => "secret",
        ValueKind::List => "list",
        ValueKind::Number => "number",
        ValueKind::Switch => "true or false",
        ValueKind::SwitchOrText => "true, false or text",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;

    #[test]
    fn the_committed_page_is_that_of_the_declarations() {
        let committed = include_str!("../../docs/configuration.md");
        assert!(
            committed == markdown(),
            "run: cargo run -- reference configuration > docs/configuration.md"
        );
    }

    /// The least that makes a section, by its place.
    const LEAST: &[(&str, &str)] = &[
        ("", ""),
        ("sources.*", "[sources.x]\nprotocol = \"sm\"\n"),
        (
            "sources.*.verify",
            "[sources.x]\nprotocol = \"sm\"\n[sources.x.verify]\nby = \"basic\"\n",
        ),
        (
            "sources.*.outgoing",
            "[sources.x]\nprotocol = \"sm\"\n[sources.x.outgoing]\nurl = \"https://a.example\"\n",
        ),
        ("merchants.*", "[merchants.x]\n"),
        ("notify", "[notify]\n"),
        ("shop", "[shop]\n"),
        ("shop.service_urls", "[shop.service_urls]\n"),
        (
            "shop.sms",
            "[shop.sms]\nprotocol = \"http\"\nurl = \"https://s.example\"\ntoken = \"t\"\nfrom = \"s\"\n",
        ),
        ("shop.mail", "[shop.mail]\nurl = \"smtps://m.example\"\nfrom = \"a@b.example\"\n"),
        ("notify.telegram", "[notify.telegram]\ntoken = \"t\"\n"),
        ("notify.telegram.chats", "[notify.telegram]\ntoken = \"t\"\n[notify.telegram.chats]\n"),
    ];

    fn read(text: &str) -> String {
        let table = toml::from_str(text).expect("TOML");
        let settings = Settings::deserialize_from(table);
        format!("{:?}", settings.unwrap_or_else(|why| panic!("{text}: {why}")))
    }

    fn same_with_its_default(section: &str, setting: &Setting) {
        if let Default::Value(value) = setting.default {
            let stated = read(&format!("{section}{} = {value}\n", setting.key));
            assert_eq!(stated, read(section), "{} = {value}", setting.key);
        }
    }

    #[test]
    fn a_default_is_what_holds_without_the_setting() {
        for section in SECTIONS {
            let place = section.place.join(".");
            let least = LEAST.iter().find(|(known, _)| *known == place);
            let (_, least) = least.unwrap_or_else(|| panic!("{place}: what makes it?"));
            section.settings.iter().for_each(|setting| same_with_its_default(least, setting));
        }
        for (protocol, settings) in section::settings() {
            let least = format!("[gateways.x]\nprotocol = \"{protocol}\"\n");
            let required = settings.iter().filter(|setting| setting.default == Default::Required);
            let least =
                required.fold(least, |text, setting| format!("{text}{} = \"k\"\n", setting.key));
            settings.iter().for_each(|setting| same_with_its_default(&least, setting));
        }
    }

    #[test]
    fn what_is_required_is_missed() {
        for (protocol, settings) in section::settings() {
            let required = settings.iter().filter(|setting| setting.default == Default::Required);
            for missing in required.clone() {
                let least = format!("[gateways.x]\nprotocol = \"{protocol}\"\n");
                let text = required
                    .clone()
                    .filter(|setting| setting.key != missing.key)
                    .fold(least, |text, setting| format!("{text}{} = \"k\"\n", setting.key));
                let table = toml::from_str(&text).expect("TOML");
                let why = Settings::deserialize_from(table).expect_err(missing.key).to_string();
                assert!(why.contains(missing.key), "{why}");
            }
        }
    }
}
