//! The questions at all sizes, ours beside the bare calls and the peers.

use super::bounds::{GROWTH, faster, grown};
use super::table::{Table, number, spread};
use crate::contest::Figure;
use crate::figures::{Size, find};
use crate::question::STATX_IN_RUST;

/// Which bare calls are the floor of which question.
const FLOOR: [(&str, &str); 5] = [
    ("presence", "statx in C"),
    ("verdict", "verdict in C"),
    ("verdict at depth 30", "verdict at depth 30 in C"),
    ("verdict, to be created", "verdict, to be created, in C"),
    ("permit", "verdict in C"),
];

/// Which figures of a size.
type Figures = fn(&Size) -> &[Figure];

pub(super) fn write(sizes: &[Size]) -> String {
    let (Some(small), Some(large)) = (sizes.first(), sizes.last()) else { return String::new() };
    format!(
        "\n## Questions\n\nProcessor time, of the thread that asks or of the commands that are started, so that waiting for \
         other programs doesn't\ncount. Mail lies on an ext4; the other mounts are tmpfs. Each question is asked in turn by \
         several processes,\nsince where a program happens to lie in memory makes a tenth of the difference. Sizes are mounts / registered \
         mountpoints.\nNFS cannot be measured here; of what may not answer, autofs and FUSE are.\n\n{}\n{}\n![mountguard and its peers](performance/peers.svg)\n\n\
         ![mountguard and its peers, a path to be created](performance/create.svg)\n\n\
         ![mountguard and the bare calls](performance/ours.svg)\n\n{}\n{}\n{}\n{}",
        yardstick(small, large),
        growth(sizes, small, large),
        peers(sizes),
        all("mountguard", sizes, |size| &size.ours),
        all("bare calls", sizes, |size| &size.floor),
        changes(sizes),
    )
}

fn yardstick(small: &Size, large: &Size) -> String {
    let median = |name| small.ratio(name).map_or(f64::NAN, |ratio| ratio.median);
    format!(
        "One `statx` took {:.0} ns at {} mounts and {:.0} ns at {}. It is the function of libc that is called, in C, and counts as \
         much\nwhen this program calls it: {} in Rust. The instruction alone, in a loop that no function returns in, takes {}: what is \
         missing\nis the first return after the system call, for which the processor has forgotten where it leads. Whoever asks by a \
         function,\nin whatever language, pays it.\n",
        small.yardstick_nanoseconds,
        small.mounts,
        large.yardstick_nanoseconds,
        large.mounts,
        number(median(STATX_IN_RUST)),
        number(median("statx in C, its instruction inlined")),
    )
}

fn growth(sizes: &[Size], small: &Size, large: &Size) -> String {
    let at = |size: &Size| format!("at {} / {}", size.mounts, size.registered);
    let mut table = Table::new(["question", &at(small), &at(large), "grows by", "bare calls grow by"]);
    for Figure { name, .. } in &small.ours {
        let (Some(first), Some(last)) = (small.ratio(name), large.ratio(name)) else { continue };
        let floor = FLOOR.iter().find(|(question, _)| question == name);
        let floor = floor.and_then(|(_, floor)| grown(sizes, floor)).map_or_else(String::new, number);
        let grows = grown(sizes, name).map_or_else(String::new, number);
        table.row([name, &spread(first), &spread(last), &grows, &floor]);
    }
    format!("Nothing is to grow by more than {GROWTH} from the smallest size to the largest.\n\n{table}")
}

fn peers(sizes: &[Size]) -> String {
    let sizes: Vec<&Size> = sizes.iter().filter(|size| !size.peers_is_mounted.is_empty()).collect();
    let headings = || std::iter::once(String::new()).chain(sizes.iter().map(|size| size.mounts.to_string()));
    let mut text = String::from(
        "### What people use today\n\nBy number of mounts; what is registered is all the same to them. In parentheses, how many times \
         faster mountguard is.\nA path to be created: is the deepest mount above it the right one? `mountpoint` has no answer to that, and \
         `findmnt` was\nasked about the deepest directory that exists. Neither tells of states, identities and symlinks, as a verdict \
         does.\n",
    );
    let both: [(&str, &str, Figures); 2] = [
        ("is it mounted?", "presence", |size| &size.peers_is_mounted),
        ("may it be created?", "verdict, to be created", |size| &size.peers_may_create),
    ];
    for (at, (question, ours, theirs)) in both.into_iter().enumerate() {
        let mut table =
            Table::new(headings().enumerate().map(|(at, text)| if at == 0 { question.into() } else { text }));
        let own = sizes.iter().map(|size| size.ratio(ours).map_or_else(String::new, spread));
        table.row(std::iter::once(format!("mountguard: {ours}")).chain(own));
        for Figure { name, .. } in sizes.first().map_or(&[] as &[_], |size| theirs(size)) {
            let cell = |size: &&Size| match (find(theirs(size), name), faster(size, name).nth(at)) {
                (Some(ratio), Some(times)) => format!("{} ({}x)", spread(ratio), number(times)),
                _ => String::new(),
            };
            table.row(std::iter::once(name.clone()).chain(sizes.iter().map(cell)));
        }
        text.push_str(&format!("\n{table}"));
    }
    text
}

fn all(title: &str, sizes: &[Size], figures: Figures) -> String {
    let headings = sizes.iter().map(|size| format!("{} / {}", size.mounts, size.registered));
    let mut table = Table::new(std::iter::once(title.to_owned()).chain(headings));
    for Figure { name, .. } in sizes.first().map_or(&[] as &[_], figures) {
        let cells = sizes.iter().map(|size| find(figures(size), name).map_or_else(String::new, spread));
        table.row(std::iter::once(name.clone()).chain(cells));
    }
    table.to_string()
}

fn changes(sizes: &[Size]) -> String {
    let mut first = Table::new(["mounts / registered", "first verdict", "microseconds"]);
    let mut storms = Table::new([
        "mounts / registered",
        "changes a second",
        "verdicts a second",
        "a verdict",
        "compared with the truth",
        "wrong",
    ]);
    for size in sizes {
        let at = format!("{} / {}", size.mounts, size.registered);
        first.row([&at, &spread(size.first_verdict.ratio), &number(size.first_verdict.microseconds)]);
        if let Some(storm) = &size.storm {
            let whole = |value: f64| format!("{value:.0}");
            let counts = [storm.compared, storm.wrong].map(|count| count.to_string());
            let (changes, verdicts) = (whole(storm.changes_a_second), whole(storm.verdicts_a_second));
            storms.row([&at, &changes, &verdicts, &number(storm.ratio), &counts[0], &counts[1]]);
        }
    }
    format!(
        "### When the mount table changes\n\nThe first verdict after a change, which was always right. By the clock on the \
         wall.\n\n{first}\nA storm: one thread mounts and unmounts, another asks all the while. Compared are the verdicts during which \
         nothing changed,\nso that the truth is known. By the clock on the wall.\n\n{storms}"
    )
}
