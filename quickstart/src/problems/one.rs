//! Problems of one step. Many share their first words, so that only the last decide what to calculate.

use super::template::Draw::{Between, Of};
use super::template::Template;

pub(super) const TEMPLATES: &[Template] = &[
    Template {
        numbers: &[("a", Between(5, 90)), ("b", Between(3, 60))],
        questions: &[
            "{name} has {a} {toys} in {his} [room|bag|collection]. {name2} gives {him} {b} more {toys}[| for \
             {his} birthday]. How many {toys} does {name} have now?",
            "{name} collects {toys}. {He} [had|owned] {a} of them and then [found|bought|won] {b} more[| at \
             the {shop}]. How many {toys} does {he} have now?",
        ],
        steps: &["{name} has <a + b = c> {toys}."],
    },
    Template {
        numbers: &[("a", Between(12, 120)), ("b", Between(3, 60))],
        questions: &[
            "{name} has {a} {toys} in {his} [room|bag|collection]. {He} gives {b} {toys} to {name2}. How \
             many {toys} does {name} have [now|left]?",
            "{name} collects {toys}. {He} [had|owned] {a} of them and then [lost|sold|gave away] {b}[| at \
             the {shop}]. How many {toys} does {he} have [now|left]?",
        ],
        steps: &["{name} has <a - b = c> {toys} left."],
    },
    Template {
        numbers: &[("a", Between(8, 90)), ("b", Between(3, 50))],
        questions: &[
            "{name} picked {a} {fruits}[| on Sunday| after school]. {name2} picked {b} more {fruits} than \
             {name}. How many {fruits} did {name2} pick?",
            "{name} picked {a} {fruits}[| on Sunday| after school], which is {b} fewer than {name2} picked. \
             How many {fruits} did {name2} pick?",
        ],
        steps: &["{name2} picked <a + b = c> {fruits}."],
    },
    Template {
        numbers: &[("a", Between(8, 120)), ("b", Between(3, 50))],
        questions: &[
            "{name} picked {a} {fruits}[| on Sunday| after school]. {name2} picked {b} fewer {fruits} than \
             {name}. How many {fruits} did {name2} pick?",
            "{name} picked {a} {fruits}[| on Sunday| after school], which is {b} more than {name2} picked. \
             How many {fruits} did {name2} pick?",
        ],
        steps: &["{name2} picked <a - b = c> {fruits}."],
    },
    Template {
        numbers: &[("a", Between(10, 120)), ("b", Between(5, 90))],
        questions: &[
            "{name} found {a} {toys} and {name2} found {b} {toys}. How many more {toys} did {name} find than \
             {name2}?",
            "{name2} found {b} {toys} and {name} found {a} {toys}. How many fewer {toys} did {name2} find \
             than {name}?",
        ],
        steps: &["{name} found <a - b = c> more {toys}."],
    },
    Template {
        numbers: &[("a", Between(5, 120)), ("b", Between(5, 120))],
        questions: &[
            "{name} found {a} {toys} and {name2} found {b} {toys}. How many {toys} did they find [together|\
             in all|altogether]?",
            "{name} and {name2} [looked for|hunted for] {toys}. {name} found {a} and {name2} found {b}. How \
             many did they find [together|in all]?",
        ],
        steps: &["Together they found <a + b = c> {toys}."],
    },
    Template {
        numbers: &[("q", Between(3, 12)), ("p", Between(2, 15))],
        questions: &[
            "{name} [goes to|stops at|visits] the {shop} and buys {q} {items}. Each {item} costs ${p}. How \
             much does {he} [pay|spend]?",
            "At the {shop}, one {item} costs ${p}. There are {q} {items} on {name}'s shopping list. How much \
             [must {he} pay|do all of them cost]?",
        ],
        steps: &["{name} pays <q * p = $c>."],
    },
    Template {
        numbers: &[("t", Between(12, 108)), ("q", Between(3, 12))],
        questions: &[
            "{name} [goes to|stops at|visits] the {shop} and buys {q} {items}. {He} pays ${t} for all of \
             them. How much does [each|one] {item} cost?",
            "At the {shop}, {name} pays ${t} and gets {q} {items} of the same price. How much does [each|\
             one] {item} cost?",
        ],
        steps: &["Each {item} costs <t / q = $c>."],
    },
    Template {
        numbers: &[("q", Between(3, 12)), ("p", Between(4, 30))],
        questions: &[
            "{name} [fills|packs] {q} {holders} with {fruits}. There are {p} {fruits} in each {holder}. How \
             many {fruits} [are there in all|does {he} pack]?",
            "{name} puts {p} {fruits} into each {holder}. [Now|At noon] {q} {holders} are full. How many \
             {fruits} are in them?",
        ],
        steps: &["There are <q * p = c> {fruits}."],
    },
    Template {
        numbers: &[("t", Between(12, 144)), ("q", Between(3, 12))],
        questions: &[
            "{name} [bakes|makes] {t} {cakes} and shares them equally among {q} {guests}. How many {cakes} \
             does each {guest} get?",
            "At {name}'s [party|house|picnic], {q} {guests} share {t} {cakes} equally. How many {cakes} does \
             each {guest} get?",
        ],
        steps: &["Each {guest} gets <t / q = c> {cakes}."],
    },
    Template {
        numbers: &[("t", Between(12, 144)), ("q", Between(3, 12))],
        questions: &[
            "{name} has {t} {fruits} to [pack|sell]. {He} puts {q} {fruits} into each {holder}. How many \
             {holders} does {he} [need|fill]?",
            "One {holder} holds {q} {vegetables}. {name} has {t} {vegetables}[| from {his} garden]. How many \
             {holders} does {he} need?",
        ],
        steps: &["{name} needs <t / q = c> {holders}."],
    },
    Template {
        numbers: &[("n", Of(&[20, 50, 100])), ("a", Between(3, 95))],
        questions: &[
            "{name} [buys|chooses] a {gift} that costs ${a}. {He} pays with a ${n} bill. How much [change|\
             money] does {he} get back?",
            "At the {shop}, {name} gives a ${n} bill for a {gift} that costs ${a}. How much change does {he} \
             get?",
        ],
        steps: &["{name} gets back <n - a = $c>."],
    },
    Template {
        numbers: &[("n", Between(25, 200)), ("a", Between(5, 120))],
        questions: &[
            "{name} wants to buy a {gift} that costs ${n}. {He} has saved ${a}[| so far]. How much more \
             money does {he} need?",
            "{name} has ${a}, but the {gift} that {he} wants costs ${n}. How much more money does {he} need?",
        ],
        steps: &["{name} needs <n - a = $c> more."],
    },
    Template {
        numbers: &[("a", Between(5, 120)), ("b", Between(5, 90))],
        questions: &[
            "{name} wants to buy a {gift} that costs ${a} and a {gift2} that costs ${b}. How much money does \
             {he} need?",
            "{name} [paid|spent] ${a} for a {gift} and ${b} for a {gift2}. How much did {he} [pay|spend] [in \
             all|altogether]?",
        ],
        steps: &["Together they cost <a + b = $c>."],
    },
    Template {
        numbers: &[("a", Between(6, 90))],
        questions: &[
            "{name} has {a} {toys}[| in a {holder}| at home]. {name2} has twice as many {toys} as {name}. \
             How many {toys} does {name2} have?",
            "{name} has {a} {toys}[| in a {holder}| at home], which is half as many as {name2} has. How many \
             {toys} does {name2} have?",
        ],
        steps: &["{name2} has <a * 2 = c> {toys}."],
    },
    Template {
        numbers: &[("a", Between(6, 180))],
        questions: &[
            "{name} has {a} {toys}[| in a {holder}| at home]. {name2} has half as many {toys} as {name}. How \
             many {toys} does {name2} have?",
            "{name} has {a} {toys}[| in a {holder}| at home], which is twice as many as {name2} has. How \
             many {toys} does {name2} have?",
        ],
        steps: &["{name2} has <a / 2 = c> {toys}."],
    },
    Template {
        numbers: &[("a", Between(3, 60)), ("k", Between(3, 6))],
        questions: &[
            "{name} has {a} {animals} on {his} farm. {name2} has {k} times as many {animals} as {name}. How \
             many {animals} does {name2} have?",
            "{name} sold {a} {cakes}. {name2} sold {k} times as many {cakes}. How many {cakes} did {name2} \
             sell?",
        ],
        steps: &["For {name2} it is <a * k = c>."],
    },
    Template {
        numbers: &[("p", Between(12, 80)), ("q", Between(2, 9))],
        questions: &[
            "{name} [drives|takes] a {ride} that goes {p} miles [an hour|every hour]. How many miles does it \
             go in {q} hours?",
            "{name} is on a {ride} for {q} hours. It goes {p} miles [an hour|every hour]. How far does {he} \
             travel?",
        ],
        steps: &["The {ride} goes <q * p = c> miles."],
    },
    Template {
        numbers: &[("t", Between(12, 144)), ("p", Between(3, 12))],
        questions: &[
            "{name} is reading a book about {animals}. It has {t} pages, and {he} reads {p} pages [a|each] \
             day. How many days does {he} need?",
            "{name} [plans|wants] to hike a trail of {t} miles. {He} [walks|hikes] {p} miles [a|each] day. \
             How many days does {he} need?",
        ],
        steps: &["{name} needs <t / p = c> days."],
    },
    Template {
        numbers: &[("a", Between(5, 90)), ("b", Between(3, 60))],
        questions: &[
            "{name} gave {b} {toys} to {name2}, and now {name} has {a} {toys}. How many {toys} did {name} \
             have before?",
            "After [losing|selling|giving away] {b} {toys}, {name} has {a} {toys} left. How many {toys} did \
             {he} have at first?",
        ],
        steps: &["{name} had <a + b = c> {toys}."],
    },
    Template {
        numbers: &[("a", Between(12, 120)), ("b", Between(3, 60))],
        questions: &[
            "{name2} gave {b} {toys} to {name}, and now {name} has {a} {toys}. How many {toys} did {name} \
             have before?",
            "After [finding|buying|winning] {b} {toys}, {name} has {a} {toys}. How many {toys} did {he} have \
             at first?",
        ],
        steps: &["{name} had <a - b = c> {toys}."],
    },
    Template {
        numbers: &[("n", Between(60, 400)), ("a", Between(12, 250))],
        questions: &[
            "{name} is reading a [story|book|novel] of {n} pages. {He} has [read|finished] {a} pages [so far|\
             already]. How many pages are left?",
            "{name} [types|copies] a [story|book|report] of {n} pages. {a} pages are [done|finished]. How \
             many pages are left?",
        ],
        steps: &["There are <n - a = c> pages left."],
    },
    Template {
        numbers: &[("q", Between(3, 12)), ("p", Between(5, 40))],
        questions: &[
            "{name} sets up {q} rows of chairs for a [concert|play|meeting|show]. Each row has {p} chairs. \
             How many chairs are there?",
            "{name} [counts|cleans] the chairs in a [theater|hall|classroom]. There are {p} chairs in each \
             of the {q} rows. How many chairs are there?",
        ],
        steps: &["There are <q * p = c> chairs."],
    },
];
