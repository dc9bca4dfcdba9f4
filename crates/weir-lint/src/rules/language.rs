//! IR20, IR21, IR41 and IR42: words that judge, blame, puzzle or shout.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::{Cx, Hit};
use crate::facts::part::Part;
use crate::tree::{Block, Kind, Text};
use crate::words::{before, pattern};

const LATER: &[Part] = &[
    Part::Actions,
    Part::Lessons,
    Part::WentWell,
    Part::WentWrong,
    Part::Lucky,
    Part::Questions,
];

/// The author's own words of some blocks: quoted text and code are left alone.
fn texts<'a>(
    cx: &'a Cx<'_>,
    wanted: impl Fn(usize, &Block) -> bool + 'a,
) -> impl Iterator<Item = (usize, &'a Text)> + 'a {
    cx.doc
        .blocks()
        .filter(move |(i, b)| !b.quoted && b.kind != Kind::Code && wanted(*i, b))
        .flat_map(|(i, b)| b.texts().map(move |t| (i, t)))
}

pub(super) fn hindsight(cx: &Cx<'_>) -> Vec<Hit> {
    let words = pattern!(
        r"(?i)\b(?:should|could|would) (?:not )?(?:(?:easily|clearly|probably|simply|likely|certainly|obviously) )?have\b(?: (?:been|\w+))?|\bfail(?:ed|ing|ure) to (?:\w+)|\bif only\b|\bobvious(?:ly)?\b|\bclearly should\b|\bneglect(?:ed|ing|s)?\b|\b(?:insufficient|inadequate|poor) (?:monitoring|testing|alerting|review|care|attention|communication|documentation|planning|oversight)\b|\black of (?:monitoring|testing|alerting|review|care|attention|communication|documentation|awareness|oversight|planning|training|due diligence|preparation)\b|\bhad (?:we|they|he|she|the team|someone|somebody|anyone|the (?:engineer|operator|developer))\b (?:\w+ ){0,2}(?:\w+ed|known|seen|been|done|run|had|read|taken|thought)\b|\bought to have\b|\bin hindsight\b|\bwith hindsight\b|\bneed(?:ed)? only have\b"
    );
    let mut out = Vec::new();
    for (_, text) in texts(cx, |i, b| {
        !cx.doc.about[i].any(LATER) && cx.doc.title != Some(i) && !b.is_head()
    }) {
        for found in words.find_iter(&text.plain) {
            let word = found.as_str();
            let lower = word.to_lowercase();
            if text.is_quoted(found.start()) {
                continue;
            }
            let clause = clause_before(&text.plain, found.start());
            // "requests failed to connect": things may fail to do something, people should not be said to.
            if lower.starts_with("fail") && !pattern!(r"(?i)\b(?:team|engineers?|operators?|developers?|on-?call|we|they|he|she|people|nobody|staff|responders?|dba|reviewers?|management|author|who|vendor|colleagues?|admins?|somebody|someone|support|commander|lead|sre)\b[^,;]{0,24}$").is_match(clause) {
                continue;
            }
            // "would have": a forecast of a mechanism with a number is a counterfactual too, but a
            // statement of what a limit would have meant to users is fine only in quotations.
            let hypothetical = lower.starts_with("would")
                && pattern!(r"(?i)\b(?:a|the) (?:limit|cap|size|pool) of \d[^,;]{0,40}$")
                    .is_match(clause);
            // "could have been either": an uncertainty about facts, not about what people did.
            let uncertain = lower.starts_with("could have been")
                && pattern!(r"(?i)\b(?:either|whether|which)\b").is_match(&text.plain);
            if hypothetical || uncertain || lower.contains(" have to") {
                continue;
            }
            out.push(
                Hit::new(text.source_range(found.range()), format!("\"{word}\" tells of a world that didn't happen; say what did, and what people saw then"))
                    .fix("state what was known at that time; move what will change to the actions"),
            );
        }
    }
    out
}

fn clause_before(text: &str, at: usize) -> &str {
    let start = text[..at].rfind(['.', ';', '\n', ':']).map_or(0, |i| i + 1);
    &text[start..at]
}

/// What people do that goes wrong.
const DEEDS: &str = r"(?:push|deploy|merg|forg[eo]t|delet|dropp|ran\b|run\b|misconfigur|mistyp|typed|broke|brok|fail|miss|ignor|overlook|neglect|skipp|disabl|remov|chang|set\b|caus|introduc|enter|applied|appl|execut|truncat|restart|rebooted|committ|approv|rolled out|releas|switch|kill|turn|updat|left|copied|pasted|started|edited|rotat|revok|expir|renam|mark|clos|silenc|did not|didn't|made|misread|mistook|mis\w+|wrote|bypass|overr|assum|panick|wasted|took down|bumped|lowered|raised|swapped|pulled|unplugged|cut|uploaded|imported|triggered)";

pub(super) fn blame(cx: &Cx<'_>) -> Vec<Hit> {
    // Every word that the report writes small somewhere: what isn't among them may be a name.
    let small: BTreeSet<&str> = cx
        .doc
        .source
        .text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| word.starts_with(char::is_lowercase))
        .collect();
    let mut out = Vec::new();
    let phrases = pattern!(
        r"(?i)\bhuman(?:[- ]| and operator )errors?\b|\boperator errors?\b|\buser error\b(?: by)?|\bpilot error\b|\bcareless(?:ly|ness)?\b|\bmistakes? (?:by|of|made by)\b|\b(?:his|her|their) (?:own )?(?:mistake|fault|error|negligence|carelessness)\b|\bnegligen(?:ce|t|tly)\b|\bincompeten\w+\b|\b(?:whose|at) fault\b|\bis to blame\b|\b(?:are|was|were) to blame\b|\bblame lies\b|\bsloppy\b|\blazy\b|\breckless\w*\b|\bfault of (?:the )?(?:\w+ ){0,2}(?:engineer|developer|operator|team|dba|intern|contractor)\b|\b(?:engineer|developer|operator|dba|intern|contractor|admin\w*|junior \w+)(?:'s|’s)? (?:mistake|fault|carelessness|negligence|blunder)\b|\bblunder\w*\b|\bcould not be bothered\b|\birresponsib\w+\b"
    );
    for (_, text) in texts(cx, |_, _| true) {
        for found in phrases.find_iter(&text.plain) {
            // "user error" as a class of message, "no human error": denied or technical.
            let denied = pattern!(r"(?i)\b(?:no|not|never|rather than|instead of|without|isn't|wasn't|nor)\W+(?:a |an |any )?$").is_match(&text.plain[..found.start()]);
            if !text.is_quoted(found.start()) && !denied {
                out.push(
                    Hit::new(
                        text.source_range(found.range()),
                        format!("\"{}\" looks for somebody at fault", found.as_str()),
                    )
                    .fix(
                        "say what the system allowed: which check, limit or default let it through",
                    ),
                );
            }
        }
        handles(cx, text, &mut out);
        names(cx, &small, text, &mut out);
    }
    out
}

/// `@sam forgot …`.
fn handles(_cx: &Cx<'_>, text: &Text, out: &mut Vec<Hit>) {
    static DEED: std::sync::LazyLock<regex::Regex> = std::sync::LazyLock::new(|| {
        regex::Regex::new(&format!(r"(?i)^(?:\s\([^)]*\))?\s(?:had |has |then |accidentally |mistakenly |wrongly |also |again |who |just )*{DEEDS}")).expect("a fixed pattern")
    });
    for found in pattern!(r"@[A-Za-z][\w.-]*").find_iter(&text.plain) {
        let mail = before(&text.plain, found.start()).is_some_and(|c| c.is_alphanumeric());
        let team = pattern!(r"(?i)team|oncall|on-call|sre|dba|platform|group|lead")
            .is_match(found.as_str());
        let by = pattern!(r"(?i)\b(?:caused|made|pushed|merged|deleted|deployed|introduced|approved|written|changed|broken|run|executed|reviewed)\b[^.;]{0,24}\bby\s$").is_match(&text.plain[..found.start()]);
        let negative = negative_after(&text.plain[found.end()..]);
        if !mail
            && !team
            && !text.is_quoted(found.start())
            && (DEED.is_match(&text.plain[found.end()..]) && negative || by)
        {
            out.push(person(text, found.range(), found.as_str()));
        }
    }
}

/// A person's name as the doer of a deed that went wrong.
fn names(cx: &Cx<'_>, small: &BTreeSet<&str>, text: &Text, out: &mut Vec<Hit>) {
    static DOES: std::sync::LazyLock<regex::Regex> = std::sync::LazyLock::new(|| {
        regex::Regex::new(&format!(r"\b([A-Z][a-zé]+(?: [A-Z][a-zé]+| [A-Z]\.)?)(?: \([^)]{{0,40}}\))?,? (?:(?:had|has|then|accidentally|mistakenly|wrongly|also|again|who|just|from [\w ]+?|on the [\w ]+?)\s)*({DEEDS}\w*)")).expect("a fixed pattern")
    });
    for found in DOES.captures_iter(&text.plain) {
        let (Some(whole), Some(name), Some(verb)) = (found.get(0), found.get(1), found.get(2))
        else {
            continue;
        };
        let rest = &text.plain[verb.start()..];
        if text.is_quoted(name.start())
            || !(is_person(cx, name.as_str()) || human(rest) && unknown_name(small, name.as_str()))
        {
            continue;
        }
        if negative_after(rest)
            || pattern!(r"accidentally|mistakenly|wrongly").is_match(whole.as_str())
        {
            out.push(person(text, name.range(), name.as_str()));
        }
    }
    for found in pattern!(r"\b(?:caused|made|pushed|merged|deleted|deployed|introduced|approved|changed|broken|executed|dropped|run|applied|committed|misconfigured|written|rolled out|released)\b[^.;]{0,40}?\bby ([A-Z][a-zé]+(?: [A-Z][a-zé]+)?)\b").captures_iter(&text.plain) {
        // "The run was late (stated by Ann)": whose words these are, not whose deed.
        let told = |name: regex::Match<'_>| pattern!(r"(?i)\b(?:stated|said|reported|confirmed|noted|answered|told|written down|observed) by $").is_match(&text.plain[..name.start()]);
        if let Some(name) = found.get(1)
            && !text.is_quoted(name.start()) && !told(name) && is_person(cx, name.as_str()) {
                out.push(person(text, name.range(), name.as_str()));
            }
    }
}

fn person(text: &Text, range: Range<usize>, name: &str) -> Hit {
    Hit::new(text.source_range(range), format!("{name} is named as the doer of what went wrong"))
        .fix("name the role, and say what the system allowed: which check, limit or default let it through")
}

/// A deed of repair is not blame: "Ann restarted the pool", "Ben rolled it back".
fn negative_after(rest: &str) -> bool {
    let end = rest.find(['.', ';', '\n']).unwrap_or(rest.len());
    let clause = &rest[..end];
    let bad = pattern!(r"(?i)\b(?:bad|wrong|broken|faulty|untested|unreviewed|without|forgot\w*|forgetting|mistak\w*|accident\w*|incorrect\w*|bug\w*|ignored?|missed|misread|overlook\w*|skipp\w*|neglect\w*|caused?|causing|fail\w* to|did not|didn't|broke\w*|dropped|deleted|truncated|misconfigur\w*|mistyp\w*|typo|production|instead of|never|not (?:check|test|read|notice|tell|run|set|follow)\w*|carelessly|took down|wasted|panick\w*|unplugged|pushed|merged|deployed|introduced|disabled|expir\w*|assumed|silenced|bypass\w*|approved|closed)\b").is_match(clause);
    let good = pattern!(r"(?i)\b(?:fix\w*|rollback|rolled? (?:it |the \w+ )?back|revert\w*|mitigat\w*|acknowledg\w*|the (?:remedy|patch|workaround)|hotfix|restor\w*|resolv\w*|recover\w*|joined|identified|found)\b").is_match(clause);
    bad && !good
}

/// What only a person does.
fn human(clause: &str) -> bool {
    let end = clause.find(['.', ';', '\n']).unwrap_or(clause.len());
    pattern!(r"(?i)^(?:forgot|pushed|merged|approved|overlooked|mistyped|misread|ignored|assumed|skipped|panicked|silenced|mistook)\b|\bwithout (?:looking|asking|checking|telling|reading|testing|reviewing|thinking)\b|\bby mistake\b|\bcareless|\bby accident\b|\bdid not (?:check|read|notice|tell|ask|follow)\b").is_match(&clause[..end])
}

/// A capitalised word that the report never writes small, and that names no group or thing.
fn unknown_name(small: &BTreeSet<&str>, name: &str) -> bool {
    let single = !name.contains(' ');
    let known = pattern!(r"^(?:We|They|It|The|This|That|These|Those|He|She|You|Nobody|Somebody|Someone|Everybody|Everyone|Engineers?|Operators?|Developers?|Support|Team|Teams|Users?|Customers?|Clients?|Release|Version|Service|Server|Database|Deploy\w*|Weir|Kafka|Redis|Postgre\w*|Kubernetes|Git\w*|Jenkins|Grafana|Prometheus|Browsers?|Nodes?|Workers?|Staging|Production|Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday|Management|Marketing|Finance|Security|Platform|Vendor|Provider|Retries|Which|Who|And|But|Then|Also|Both|One|Two|All|Some|Many|Others?|What|There|Here|When|While|After|Before|Since|Because|Reviewers?|Tests?|Alerts?|Monitoring|Ops)$").is_match(name);
    let lower = name.to_lowercase();
    let written_small = small.contains(lower.as_str());
    single && !known && !written_small && name.len() >= 3
}

/// A capitalised word that is a first name, or stands among the report's people.
fn is_person(cx: &Cx<'_>, name: &str) -> bool {
    let first = name.split(' ').next().unwrap_or_default();
    const FIRST: &[&str] = &[
        "Bob",
        "Alice",
        "Ann",
        "Anna",
        "Anne",
        "Ben",
        "Carl",
        "Carol",
        "Carlos",
        "Charlie",
        "Chris",
        "Dan",
        "Dana",
        "Daniel",
        "Dave",
        "David",
        "Diana",
        "Elena",
        "Emma",
        "Eric",
        "Erik",
        "Eva",
        "Eve",
        "Fatima",
        "Frank",
        "George",
        "Grace",
        "Hana",
        "Hans",
        "Helen",
        "Henry",
        "Ivan",
        "Jack",
        "James",
        "Jan",
        "Jane",
        "Jim",
        "Joe",
        "John",
        "Jonas",
        "Jose",
        "Julia",
        "Kai",
        "Karen",
        "Kate",
        "Kevin",
        "Kim",
        "Lars",
        "Laura",
        "Leo",
        "Lena",
        "Lisa",
        "Luca",
        "Lucy",
        "Luis",
        "Maria",
        "Mark",
        "Marta",
        "Martin",
        "Mary",
        "Max",
        "Maya",
        "Mia",
        "Mike",
        "Mohammed",
        "Nadia",
        "Nick",
        "Nina",
        "Noah",
        "Oliver",
        "Omar",
        "Oscar",
        "Paul",
        "Pedro",
        "Peter",
        "Pierre",
        "Priya",
        "Rachel",
        "Raj",
        "Ravi",
        "Robert",
        "Rosa",
        "Sam",
        "Samir",
        "Sara",
        "Sarah",
        "Sean",
        "Simon",
        "Sofia",
        "Steve",
        "Susan",
        "Tariq",
        "Tina",
        "Tim",
        "Tom",
        "Tomas",
        "Uma",
        "Vera",
        "Victor",
        "Wanjiru",
        "Wei",
        "Will",
        "Yuki",
        "Yusuf",
        "Zoe",
        "Amina",
        "Achieng",
        "Otieno",
        "Njeri",
        "Kamau",
        "Mwangi",
        "Jonathan",
        "Michael",
        "Thomas",
        "Andrew",
        "Alex",
        "Alexander",
        "Matt",
        "Matthew",
        "Stefan",
        "Andreas",
        "Klaus",
        "Jürgen",
        "Petra",
        "Sven",
        "Olga",
        "Dmitri",
        "Sergei",
        "Natasha",
        "Greg",
        "Hiro",
        "Kenji",
        "Ahmed",
        "Ali",
        "Hassan",
        "Aisha",
        "Kofi",
        "Kwame",
        "Ngozi",
        "Chidi",
        "Emeka",
        "Nia",
        "Rita",
        "Ines",
        "Ingrid",
        "Jorge",
        "Juan",
        "Miguel",
        "Pablo",
        "Marco",
        "Giulia",
        "Paolo",
        "Chloe",
        "Claire",
        "Louis",
        "Amy",
        "Brian",
        "Bill",
        "Derek",
        "Ed",
        "Fred",
        "Gary",
        "Harry",
        "Ian",
        "Jason",
        "Jeff",
        "Jenny",
        "Jess",
        "Josh",
        "Keith",
        "Ken",
        "Linda",
        "Liz",
        "Megan",
        "Neil",
        "Pat",
        "Phil",
        "Ron",
        "Ryan",
        "Scott",
        "Tony",
        "Deepa",
        "Anil",
        "Sunita",
        "Vikram",
        "Arjun",
        "Meera",
        "Lin",
        "Mei",
        "Chen",
        "Hugo",
        "Felix",
        "Moritz",
        "Jonah",
        "Ruth",
        "Naomi",
        "Theo",
    ];
    let listed = |who: &String| {
        who.split_whitespace().any(|w| w == first) && who.split_whitespace().count() <= 3
    };
    FIRST.contains(&first)
        || cx
            .facts
            .authors
            .iter()
            .chain(&cx.facts.reviewed_by)
            .any(|who| listed(who) && pattern!(r"^[A-Z][a-z]+ [A-Z]").is_match(who))
        || pattern!(r"^[A-Z][a-zé]+ [A-Z]\.$").is_match(name)
}

const COMMON: &[&str] = &[
    "UTC",
    "GMT",
    "HTTP",
    "HTTPS",
    "API",
    "APIS",
    "URL",
    "URLS",
    "CPU",
    "CPUS",
    "SQL",
    "DB",
    "ID",
    "IDS",
    "OK",
    "PR",
    "PRS",
    "CI",
    "CD",
    "SEV",
    "DNS",
    "TCP",
    "TLS",
    "SSL",
    "RAM",
    "JSON",
    "UI",
    "AM",
    "PM",
    "IP",
    "IPS",
    "OS",
    "VM",
    "VMS",
    "SSD",
    "PDF",
    "CSV",
    "HTML",
    "CSS",
    "XML",
    "YAML",
    "SSH",
    "FAQ",
    "TBD",
    "TODO",
    "ETA",
    "EU",
    "US",
    "UK",
    "USA",
    "USD",
    "EUR",
    "GBP",
    "KES",
    "CHF",
    "IT",
    "HR",
    "CEO",
    "CTO",
    "QA",
    "SRE",
    "SRES",
    "INC",
    "COE",
    "RCA",
    "README",
    "JIRA",
    "AWS",
    "GCP",
    "IOS",
    "PC",
    "TV",
    "GET",
    "POST",
    "PUT",
    "PATCH",
    "DELETE",
    "HEAD",
    "SELECT",
    "INSERT",
    "UPDATE",
    "CREATE",
    "INDEX",
    "TABLE",
    "ALTER",
    "DROP",
    "BEGIN",
    "COMMIT",
    "ROLLBACK",
    "VACUUM",
    "ANALYZE",
    "EXPLAIN",
    "SHOW",
    "POOLS",
    "LOCK",
    "AND",
    "OR",
    "NOT",
    "NO",
    "YES",
    "NULL",
    "TRUE",
    "FALSE",
    "IN",
    "ON",
    "OFF",
    "TO",
    "BY",
    "AS",
    "IS",
    "ALL",
    "ANY",
    "SET",
    "WHERE",
    "FROM",
    "ORDER",
    "GROUP",
    "KEY",
    "JOIN",
    "LIMIT",
    "GB",
    "MB",
    "KB",
    "TB",
    "GIB",
    "MIB",
    "KIB",
    "TIB",
    "MS",
    "KM",
    "MHZ",
    "GHZ",
    "IO",
    "MON",
    "TUE",
    "WED",
    "THU",
    "FRI",
    "SAT",
    "SUN",
    "JAN",
    "FEB",
    "MAR",
    "APR",
    "MAY",
    "JUN",
    "JUL",
    "AUG",
    "SEP",
    "SEPT",
    "OCT",
    "NOV",
    "DEC",
    "FYI",
    "TLDR",
    "TL",
    "DR",
    "WON",
    "DONE",
    "NB",
    "EG",
    "IE",
    "VS",
    "AKA",
    "ASAP",
    "PIN",
    "SMS",
    "GPS",
    "USB",
    "LAN",
    "VPN",
    "PHP",
    "SDK",
    "CLI",
    "IDE",
    "GIT",
    "NGINX",
    "UTF",
    "ASCII",
    "PST",
    "PDT",
    "EST",
    "EDT",
    "CET",
    "CEST",
    "BST",
    "EAT",
    "IST",
    "CST",
    "CDT",
    "MST",
    "MDT",
    "EET",
    "JST",
    "SGT",
    "AEST",
    "AEDT",
    "WAT",
    "CAT",
    "SAST",
    "PT",
    "ET",
    "MSK",
    "EEST",
    "HIGH",
    "LOW",
    "MEDIUM",
    "CRITICAL",
    "MAJOR",
    "MINOR",
    "OPEN",
    "CLOSED",
    "FINAL",
    "DRAFT",
    "NEW",
    "OLD",
    "NOTE",
    "IR",
    "INFO",
    "WARN",
    "ERROR",
    "FATAL",
    "DEBUG",
    "PANIC",
    "AI",
    "ACK",
    "GO",
    "PG",
    "HA",
    "II",
    "III",
    "IV",
    "VI",
    "EMEA",
    "APAC",
    "FIN",
    "SYN",
    "RST",
    "OWNER",
    "DUE",
    "TRIGGER",
    "IMPACT",
    "START",
    "END",
    "PAUSE",
    "RESUME",
    "KILL",
    "REINDEX",
    "CONCURRENTLY",
    "TRUNCATE",
    "COPY",
    "GRANT",
    "LISTEN",
    "NOTIFY",
    "ACCESS",
    "EXCLUSIVE",
    "SHARE",
    "ROW",
    "TIMEOUT",
    "DATABASE",
    "SCHEMA",
    "DAY",
    "WHY",
    "WHAT",
    "WHO",
    "HOW",
    "DEPLOY",
    "PHONE",
    "EMAIL",
    "MD",
    "PNG",
    "SVG",
    "GUI",
    "ZIP",
    "ROM",
    "LED",
    "ISO",
    "CC",
    "BCC",
    "REST",
    "OPS",
    "DEV",
    "PROD",
    "CRM",
    "ERP",
];

pub(super) fn acronyms(cx: &Cx<'_>) -> Vec<Hit> {
    let mut first: BTreeMap<String, (usize, Range<usize>)> = BTreeMap::new();
    let all = cx.doc.all_words();
    for (i, text) in texts(cx, |i, _| {
        !cx.doc.about[i].any(&[Part::Glossary, Part::Evidence])
    }) {
        for found in pattern!(r"\b(?:[A-Z]{2,6}s?|p(?:50|90|95|99|999))\b").find_iter(&text.plain) {
            let word = found.as_str().trim_end_matches('s');
            let prev = before(&text.plain, found.start());
            let next = text.plain[found.end()..].chars().next();
            let part_of_name = prev.is_some_and(|c| {
                matches!(
                    c,
                    '-' | '_' | '.' | '/' | ':' | '@' | '[' | '<' | '#' | '=' | '{'
                )
            }) || next.is_some_and(|c| {
                matches!(c, '-' | '_' | '.' | '/' | '=' | '>')
                    && !text.plain[found.end() + c.len_utf8()..].starts_with([' ', '\n'])
                    && found.end() + c.len_utf8() < text.plain.len()
            });
            let code = text.code.iter().any(|c| c.contains(&found.start()));
            if code
                || part_of_name
                || text.is_quoted(found.start())
                || COMMON.contains(&word.to_uppercase().as_str())
                || shouted(&text.plain, found.range())
            {
                continue;
            }
            if !first.contains_key(word) && !explained(&all, word) {
                first.insert(word.to_owned(), (i, text.source_range(found.range())));
            }
        }
    }
    let limit = if cx.strict() { 1 } else { 3 };
    if first.len() < limit {
        return Vec::new();
    }
    let mut places: Vec<_> = first.into_iter().collect();
    places.sort_by_key(|(_, (_, range))| range.start);
    places
        .into_iter()
        .map(|(word, (_, range))| {
            Hit::new(range, format!("{word} isn't explained")).fix(match meaning(&word) {
                Some(says) => format!("at its first use: `{says}`"),
                None => format!("write it out at its first use: `<what it stands for> ({word})`"),
            })
        })
        .collect()
}

/// A heading or a word in a run of capitals is loud, not an acronym.
fn shouted(text: &str, range: Range<usize>) -> bool {
    let start = text[..range.start].rfind('\n').map_or(0, |i| i + 1);
    let end = text[range.end..]
        .find('\n')
        .map_or(text.len(), |i| range.end + i);
    let line = &text[start..end];
    let words = line
        .split_whitespace()
        .filter(|w| w.chars().any(char::is_alphabetic));
    let (mut all, mut loud) = (0, 0);
    for word in words {
        all += 1;
        loud += usize::from(
            word.chars()
                .filter(|c| c.is_alphabetic())
                .all(char::is_uppercase),
        );
    }
    all > 1 && loud == all
}

/// `Service Level Objective (SLO)`, `SLO (service level objective)`, `p99 (99 of 100 …)`, `SLO = …`, `SLO: the …` in a glossary.
fn explained(all: &str, word: &str) -> bool {
    all.match_indices(word).any(|(at, _)| {
        let after = &all[at + word.len()..];
        let lead = &all[..at];
        let expanded = after.strip_prefix('s').unwrap_or(after).trim_start();
        (expanded.starts_with('(')
            && expanded.find(')').is_some_and(|end| {
                end > 6
                    && expanded[..end].contains(char::is_alphabetic)
                    && expanded[1..end].split_whitespace().count() >= 2
                    // "DDL (data definition language: changes of the schema)" says more than the letters.
                    && [&expanded[1..end], expanded[1..end].split([':', ',', ';']).next().unwrap_or_default()]
                        .iter()
                        .any(|words| spells(words, word))
            }))
            || expanded.starts_with("= ")
            || expanded.starts_with("— the ")
            || expanded.starts_with(", that is")
            || expanded.starts_with("stands for")
            || expanded.starts_with("means ")
            || (lead.trim_end().ends_with('(')
                && spells(lead.trim_end().trim_end_matches('('), word))
            || (lead.ends_with("or ") || lead.ends_with("the ")) && after.starts_with(')')
    })
}

/// Whether the words before (or in) the parentheses could spell the acronym: initials, or, for
/// p99 and its kin, any words at all.
fn spells(words: &str, acronym: &str) -> bool {
    if acronym.starts_with('p') {
        return words.chars().any(|c| c.is_ascii_digit())
            || words.contains("percentile")
            || words.contains("median");
    }
    let initials: String = pattern!(r"[A-Za-z]+")
        .find_iter(words)
        .map(|m| {
            m.as_str()
                .chars()
                .next()
                .unwrap_or(' ')
                .to_ascii_uppercase()
        })
        .collect();
    let tail: String = initials
        .chars()
        .rev()
        .take(acronym.len() + 3)
        .collect::<Vec<_>>()
        .into_iter()
        .rev()
        .collect();
    let (mut letters, mut hit) = (tail.chars(), 0);
    for letter in acronym.chars() {
        if letters.any(|c| c == letter.to_ascii_uppercase()) {
            hit += 1;
        }
    }
    hit + 1 >= acronym.len() && hit >= 1
}

fn meaning(word: &str) -> Option<&'static str> {
    Some(match word {
        "SLO" => "service level objective (SLO)",
        "SLA" => "service level agreement (SLA)",
        "SLI" => "service level indicator (SLI)",
        "MTTR" => "mean time to recovery (MTTR)",
        "OOM" => "out of memory (OOM)",
        "CDN" => "content delivery network (CDN)",
        "DBA" => "database administrator (DBA)",
        "ORM" => "object-relational mapper (ORM)",
        "WAL" => "write-ahead log (WAL)",
        "LB" => "load balancer (LB)",
        "RPS" => "requests per second (RPS)",
        "QPS" => "queries per second (QPS)",
        "TPS" => "transactions per second (TPS)",
        "IC" => "incident commander (IC)",
        "p99" => "p99 (99 of 100 are faster)",
        "p95" => "p95 (95 of 100 are faster)",
        "p50" => "p50 (half are faster)",
        _ => return None,
    })
}

pub(super) fn ritual(cx: &Cx<'_>) -> Vec<Hit> {
    let loaded = pattern!(
        r"(?i)\b(?:consum|wast)(?:ing|ed) (?:\w+ )?(?:valuable|precious|a lot of|much) time\b|\bvaluable time\b|\bcatastroph\w+\b|\bdisaster\b(?: recovery| tolerance)?|\bdisastrous\w*\b|\bnightmar\w+\b|\bunfortunate(?:ly)?\b|\bpanic(?:ked|king|s)?\b|\ball hell\b|\bthankfully\b|\bhorr(?:ible|ibly|endous|ific)\b|\bterribl[ey]\b|\bembarrass\w+\b|\bshock(?:ed|ing|ingly)\b|\bchaos\b|\bchaotic\b|\bmelt(?:ed)?[- ]?down\b|\bscrambl(?:ed|ing)\b|\bfrantic(?:ally)?\b|\bdesperate(?:ly)?\b|\bheroic(?:ally|s)?\b|\bhero(?:es)?\b|\bdread(?:ed|ful)\b|\bsadly\b|\bluckily for us\b|\bawful(?:ly)?\b|\bfiasco\b|\bon fire\b|\bwent up in flames\b|\bmiraculous\w*\b|\btraged\w+\b|\btragic\w*\b|\binsane(?:ly)?\b|\bcrazy\b|\bridiculous\w*\b|\bpainful(?:ly)?\b|\bmurphy'?s law\b|\bgrinding halt\b|\bto its knees\b|\bperfect storm\b|\bsilver lining\b|\bthe usual suspects?\b|\boops\b|\bwhoops\b|\byikes\b|\bhooray\b|\bphew\b|\blol\b|\bdevastat\w+\b|\bagoni[sz]ing\w*\b|\bgod(?:s)? of\b|\bgremlins?\b|\bbit the dust\b|\bdodged a bullet\b"
    );
    let mut out = Vec::new();
    for (_, text) in texts(cx, |_, _| true) {
        for found in loaded.find_iter(&text.plain) {
            let lower = found.as_str().to_lowercase();
            if text.is_quoted(found.start())
                || lower.ends_with("recovery")
                || lower.ends_with("tolerance")
            {
                continue;
            }
            // A kernel panics, people don't need to be said to; "chaos" is also a kind of test.
            let start =
                crate::source::floor_boundary(&text.plain, found.start().saturating_sub(16));
            let technical = lower.starts_with("panic")
                && pattern!(
                    r"(?i)\b(?:kernel|rust|go|goroutine|thread|process|worker|a|the|log|with)\W+$"
                )
                .is_match(&text.plain[start..found.start()])
                || lower == "chaos"
                    && pattern!(r"(?i)^\W+(?:test|engineer|experiment|drill|day)")
                        .is_match(&text.plain[found.end()..]);
            if technical {
                continue;
            }
            out.push(
                Hit::new(
                    text.source_range(found.range()),
                    format!(
                        "\"{}\" is loaded: it tells how it felt, not what happened",
                        found.as_str()
                    ),
                )
                .fix(if lower.contains("time") {
                    "give the minutes"
                } else {
                    "say it in plain words, with a number where there is one"
                }),
            );
        }
        for (at, c) in text.plain.char_indices() {
            if text.is_quoted(at) {
                continue;
            }
            if is_emoji(c) {
                out.push(
                    Hit::new(
                        text.source_range(at..at + c.len_utf8()),
                        format!("an emoji ({c})"),
                    )
                    .fix("take it away"),
                );
            } else if c == '!' {
                let next = text.plain[at + 1..].chars().next();
                let prev = before(&text.plain, at);
                let shout = prev
                    .is_some_and(|p| p.is_alphanumeric() || matches!(p, ')' | '!' | '"'))
                    && next.is_none_or(|n| n.is_whitespace() || matches!(n, '!' | ')' | '"'));
                if shout && prev != Some('!') {
                    out.push(
                        Hit::new(text.source_range(at..at + 1), "an exclamation mark").edit(
                            "end the sentence with a full stop",
                            text.source_range(at..at + 1),
                            ".",
                            false,
                        ),
                    );
                }
            }
        }
    }
    out
}

fn is_emoji(c: char) -> bool {
    // ✓ ✔ ✗ and arrows are signs, not pictures of feelings.
    matches!(u32::from(c), 0x1F300..=0x1FAFF | 0x1F000..=0x1F2FF | 0x2728 | 0x2764 | 0x26A0 | 0x26A1 | 0x2B50 | 0x2705 | 0x274C | 0x203C | 0x2049)
}
