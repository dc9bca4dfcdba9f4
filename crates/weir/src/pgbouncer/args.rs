//! PgBouncer's command line: `pgbouncer [OPTION]... CONFIG_FILE`.
//!
//! Short options may stand together (`-qv`), long ones may be cut where they stay clear, `--` ends
//! them; that is how `getopt_long` reads, and start scripts rely on it.

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Help,
    Version,
    Run(Options),
    /// Not understood; what PgBouncer would print before "Try … --help".
    Wrong(String),
}

/// The options of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) file: String,
    pub(crate) daemon: bool,
    pub(crate) quiet: bool,
    pub(crate) reboot: bool,
    /// How often `-v` was given.
    pub(crate) verbose: u8,
    pub(crate) user: Option<String>,
    /// Weir's own: where HTTP is served.
    pub(crate) api: Option<String>,
    /// Weir's own: where incidents are kept.
    pub(crate) store: Option<String>,
    /// Weir's own: what the regulator may do.
    pub(crate) regulator: Option<String>,
    /// Weir's own: which network driver.
    pub(crate) io: Option<String>,
}

/// Name, short form, whether a value follows.
const LONG: [(&str, char, bool); 11] = [
    ("quiet", 'q', false),
    ("verbose", 'v', false),
    ("help", 'h', false),
    ("daemon", 'd', false),
    ("version", 'V', false),
    ("reboot", 'R', false),
    ("user", 'u', true),
    ("weir-api", '1', true),
    ("weir-store", '2', true),
    ("weir-regulator", '3', true),
    ("weir-io", '4', true),
];

/// The text of `--help`.
pub(crate) fn help(program: &str) -> String {
    format!(
        "{program} is a connection pooler for PostgreSQL.\n\n\
         Usage:\n  {program} [OPTION]... CONFIG_FILE\n\n\
         Options:\n\
         \x20 -d, --daemon         run in background (as a daemon)\n\
         \x20 -q, --quiet          run quietly\n\
         \x20 -R, --reboot         do an online reboot\n\
         \x20 -u, --user=USERNAME  assume identity of USERNAME\n\
         \x20 -v, --verbose        increase verbosity\n\
         \x20 -V, --version        show version, then exit\n\
         \x20 -h, --help           show this help, then exit\n\n\
         Of Weir, which this is:\n\
         \x20 --weir-api=ADDR         serve API, metrics and dashboard there, like 127.0.0.1:6433\n\
         \x20 --weir-store=FILE       keep incidents in this file; without it in memory\n\
         \x20 --weir-regulator=MODE   observe (as without it), recommend or act\n\
         \x20 --weir-io=DRIVER        auto, uring or epoll\n"
    )
}

/// Reads the arguments after the program's name.
pub(crate) fn read(arguments: &[String]) -> Asked {
    let mut options = Options::default();
    let mut files = Vec::new();
    let mut rest = arguments.iter();
    let mut only_files = false;
    while let Some(argument) = rest.next() {
        if only_files || argument == "-" || !argument.starts_with('-') {
            files.push(argument.clone());
            continue;
        }
        if argument == "--" {
            only_files = true;
            continue;
        }
        let mut found: Vec<(char, Option<String>)> = Vec::new();
        if let Some(long) = argument.strip_prefix("--") {
            let (name, given) = match long.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (long, None),
            };
            let (short, takes) = match long_option(name) {
                Ok(known) => known,
                Err(says) => return Asked::Wrong(says),
            };
            let value = match (takes, given) {
                (false, Some(_)) => {
                    return Asked::Wrong(format!("option '--{name}' doesn't allow an argument"));
                }
                (false, None) => None,
                (true, Some(value)) => Some(value),
                (true, None) => match rest.next() {
                    Some(value) => Some(value.clone()),
                    None => {
                        return Asked::Wrong(format!("option '--{name}' requires an argument"));
                    }
                },
            };
            found.push((short, value));
        } else {
            let mut letters = argument.chars().skip(1);
            while let Some(letter) = letters.next() {
                match LONG.iter().find(|(_, short, _)| *short == letter) {
                    Some((_, _, true)) if letter.is_ascii_alphabetic() => {
                        let glued: String = letters.by_ref().collect();
                        let value = if glued.is_empty() {
                            rest.next().cloned()
                        } else {
                            Some(glued)
                        };
                        let Some(value) = value else {
                            let says = format!("option requires an argument -- '{letter}'");
                            return Asked::Wrong(says);
                        };
                        found.push((letter, Some(value)));
                    }
                    Some((_, _, false)) => found.push((letter, None)),
                    Some(_) | None => {
                        return Asked::Wrong(format!("invalid option -- '{letter}'"));
                    }
                }
            }
        }
        for (short, value) in found {
            match short {
                'h' => return Asked::Help,
                'V' => return Asked::Version,
                'q' => options.quiet = true,
                'v' => options.verbose = options.verbose.saturating_add(1),
                'd' => options.daemon = true,
                'R' => options.reboot = true,
                'u' => options.user = value,
                '1' => options.api = value,
                '2' => options.store = value,
                '3' => options.regulator = value,
                '4' => options.io = value,
                other => return Asked::Wrong(format!("invalid option -- '{other}'")),
            }
        }
    }
    match <[String; 1]>::try_from(files) {
        Ok([file]) => Asked::Run(Options { file, ..options }),
        Err(_) => Asked::Wrong("no configuration file specified".to_owned()),
    }
}

fn long_option(name: &str) -> Result<(char, bool), String> {
    if let Some((_, short, takes)) = LONG.iter().find(|(long, _, _)| *long == name) {
        return Ok((*short, *takes));
    }
    let mut close = LONG.iter().filter(|(long, _, _)| long.starts_with(name));
    match (close.next(), close.next()) {
        (Some((_, short, takes)), None) => Ok((*short, *takes)),
        (Some(_), Some(_)) => Err(format!("option '--{name}' is ambiguous")),
        (None, _) => Err(format!("unrecognized option '--{name}'")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(line: &str) -> Asked {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        read(&words)
    }

    #[test]
    fn options_stand_short_long_cut_together_and_behind_the_file() {
        let run = Options {
            file: "a.ini".to_owned(),
            quiet: true,
            verbose: 2,
            user: Some("bob".to_owned()),
            ..Options::default()
        };
        for line in [
            "--quiet -vv -u bob a.ini",
            "-qvv -ubob a.ini",
            "a.ini --qui --verb -v --user=bob",
            "-q -v -v --us bob -- a.ini",
        ] {
            assert_eq!(asked(line), Asked::Run(run.clone()), "{line}");
        }
        assert_eq!(asked("-q --help"), Asked::Help);
        assert_eq!(asked("-V nonsense"), Asked::Version);
    }

    #[test]
    fn what_is_not_understood_is_said_as_getopt_says_it() {
        for (line, says) in [
            ("", "no configuration file specified"),
            ("a b", "no configuration file specified"),
            ("-x a", "invalid option -- 'x'"),
            ("-1 a", "invalid option -- '1'"),
            ("--nope a", "unrecognized option '--nope'"),
            ("--ver a", "option '--ver' is ambiguous"),
            ("--quiet=1 a", "option '--quiet' doesn't allow an argument"),
            ("a -u", "option requires an argument -- 'u'"),
        ] {
            assert_eq!(asked(line), Asked::Wrong(says.to_owned()), "{line}");
        }
    }
}
