//! Problems of three steps.

use super::template::Draw::{Between, Of};
use super::template::Template;

pub(super) const TEMPLATES: &[Template] = &[
    Template {
        numbers: &[("q", Between(2, 9)), ("p", Between(2, 12)), ("r", Between(2, 9)), ("s", Between(2, 12))],
        questions: &[
            "{name} buys {q} {items} for ${p} each and {r} {items2} for ${s} each. How much does {he} [pay|\
             spend] in all?",
            "At the {shop}, one {item} costs ${p} and one {item2} costs ${s}. {name} buys {q} {items} and \
             {r} {items2}. How much does {he} pay?",
        ],
        steps: &[
            "The {items} cost <q * p = $a>.",
            "The {items2} cost <r * s = $b>.",
            "{name} pays <a + b = $c>.",
        ],
    },
    Template {
        numbers: &[("q", Between(3, 9)), ("p", Between(4, 12)), ("r", Between(2, 9)), ("s", Between(2, 12))],
        questions: &[
            "{name} buys {q} {items} for ${p} each and {r} {items2} for ${s} each. How much more do the \
             {items} cost than the {items2}?",
            "{name} spends ${p} on each of {q} {items}. {name2} spends ${s} on each of {r} {items2}. How \
             much more does {name} spend than {name2}?",
        ],
        steps: &[
            "The {items} cost <q * p = $a>.",
            "The {items2} cost <r * s = $b>.",
            "That is <a - b = $c> more.",
        ],
    },
    Template {
        numbers: &[
            ("a", Between(2, 8)),
            ("b", Between(2, 6)),
            ("q", Between(3, 9)),
            ("n", Of(&[50, 100, 150])),
        ],
        questions: &[
            "A {cake} costs ${a} and a [drink|juice|tea|lemonade] costs ${b}. {name} has ${n} and buys one \
             of each for {q} {guests}. How much money is left?",
            "{name} takes {q} {guests} to a cafe. Each {guest} gets a {cake} for ${a} and a [drink|juice|\
             tea] for ${b}. {name} had ${n}. How much money is left?",
        ],
        steps: &[
            "One of each costs <a + b = $c>.",
            "For {q} {guests} it is <c * q = $d>.",
            "Then <n - d = $e> is left.",
        ],
    },
    Template {
        numbers: &[("a", Between(8, 90)), ("n", Between(60, 400))],
        questions: &[
            "{name} reads {a} pages on [Monday|Friday|Saturday] and twice as many the next day. The [book|\
             story] has {n} pages. How many pages are left?",
            "{name} [types|copies] a [book|report] of {n} pages. {He} does {a} pages in the morning and \
             twice as many in the afternoon. How many pages are left?",
        ],
        steps: &[
            "Twice as many is <a * 2 = b>.",
            "So far there are <a + b = c> pages.",
            "Then <n - c = d> pages are left.",
        ],
    },
    Template {
        numbers: &[("a", Between(10, 180)), ("n", Between(60, 400))],
        questions: &[
            "{name} reads {a} pages on [Monday|Friday|Saturday] and half as many the next day. The [book|\
             story] has {n} pages. How many pages are left?",
            "{name} [types|copies] a [book|report] of {n} pages. {He} does {a} pages in the morning and half \
             as many in the afternoon. How many pages are left?",
        ],
        steps: &[
            "Half as many is <a / 2 = b>.",
            "So far there are <a + b = c> pages.",
            "Then <n - c = d> pages are left.",
        ],
    },
    Template {
        numbers: &[("a", Between(5, 80)), ("k", Between(2, 30)), ("c", Between(5, 80))],
        questions: &[
            "{name} picks {a} {fruits}. {name2} picks {k} more than {name}, and {name3} picks {c}. How many \
             {fruits} do they pick [together|in all]?",
            "{name3} has {c} {fruits} and {name} has {a}. {name2} has {k} more {fruits} than {name}. How \
             many {fruits} do they have [together|in all]?",
        ],
        steps: &[
            "{name2} has <a + k = b> {fruits}.",
            "With {name} that makes <a + b = d>.",
            "With {name3} it is <d + c = e>.",
        ],
    },
    Template {
        numbers: &[("a", Between(10, 90)), ("k", Between(2, 30)), ("c", Between(5, 80))],
        questions: &[
            "{name} picks {a} {fruits}. {name2} picks {k} fewer than {name}, and {name3} picks {c}. How many \
             {fruits} do they pick [together|in all]?",
            "{name3} has {c} {fruits} and {name} has {a}. {name2} has {k} fewer {fruits} than {name}. How \
             many {fruits} do they have [together|in all]?",
        ],
        steps: &[
            "{name2} has <a - k = b> {fruits}.",
            "With {name} that makes <a + b = d>.",
            "With {name3} it is <d + c = e>.",
        ],
    },
    Template {
        numbers: &[("a", Between(8, 90)), ("k", Between(2, 40))],
        questions: &[
            "{name} has {a} {toys}. {name2} has twice as many, and {name3} has {k} fewer than {name2}. How \
             many more {toys} does {name3} have than {name}?",
            "{name2} found twice as many {toys} as {name}, who found {a}. {name3} found {k} fewer than \
             {name2}. How many more did {name3} find than {name}?",
        ],
        steps: &[
            "{name2} has <a * 2 = b> {toys}.",
            "{name3} has <b - k = c>.",
            "That is <c - a = d> more than {name} has.",
        ],
    },
    Template {
        numbers: &[("q", Between(3, 9)), ("p", Between(4, 20)), ("b", Between(2, 30)), ("r", Between(2, 9))],
        questions: &[
            "{name} has {q} {holders} with {p} {fruits} in each. {He} [eats|keeps] {b} {fruits} and shares \
             the rest equally among {r} {guests}. How many does each {guest} get?",
            "{name} buys {q} {holders} of {p} {fruits}. {b} {fruits} are [bad|rotten], and {r} {guests} \
             share the others equally. How many {fruits} does each {guest} get?",
        ],
        steps: &[
            "There are <q * p = c> {fruits}.",
            "That leaves <c - b = d> to share.",
            "Each {guest} gets <d / r = e> {fruits}.",
        ],
    },
    Template {
        numbers: &[
            ("a", Between(30, 150)),
            ("b", Between(2, 30)),
            ("c", Between(2, 30)),
            ("q", Between(3, 9)),
        ],
        questions: &[
            "{name} bakes {a} {cakes}. {He} keeps {b} and gives {c} to {name2}. The rest go into {holders} \
             of {q}. How many {holders} does {he} fill?",
            "{name} has {a} {cakes}. {He} sells {b} and eats {c}. Then {he} packs the rest, {q} in each \
             {holder}. How many {holders} does {he} fill?",
        ],
        steps: &[
            "First <a - b = d> {cakes} are left.",
            "Then <d - c = e> are left.",
            "{He} fills <e / q = f> {holders}.",
        ],
    },
    Template {
        numbers: &[("a", Between(8, 120)), ("b", Between(8, 120)), ("k", Between(2, 40))],
        questions: &[
            "{name} bakes {a} {cakes} in the morning and {b} in the afternoon. {He} sells half of them and \
             gives {k} to {name2}. How many {cakes} are left?",
            "{name} has {a} {cakes}, and {name2} brings {b} more. They sell half of all {cakes} and eat {k}. \
             How many {cakes} are left?",
        ],
        steps: &[
            "There are <a + b = c> {cakes}.",
            "Half of them is <c / 2 = d>.",
            "Then <d - k = e> {cakes} are left.",
        ],
    },
    Template {
        numbers: &[
            ("q", Between(2, 9)),
            ("p", Between(6, 25)),
            ("b", Between(2, 30)),
            ("s", Between(5, 120)),
        ],
        questions: &[
            "{name} earns ${p} an hour {job}. {He} works {q} hours, gets ${b} in tips, and buys a {gift} for \
             ${s}. How much money is left?",
            "For {job}, {name} gets ${p} an hour. {He} works {q} hours, finds ${b}, and spends ${s} on a \
             {gift}. How much money does {he} have left?",
        ],
        steps: &[
            "For the work {he} gets <q * p = $c>.",
            "Then {he} has <c + b = $d>.",
            "At the end {he} has <d - s = $e>.",
        ],
    },
    Template {
        numbers: &[("q", Between(3, 9)), ("p", Between(4, 20)), ("b", Between(3, 50)), ("c", Between(3, 50))],
        questions: &[
            "{name} has {q} [pens|fields|barns] with {p} {animals} in each. {He} sells {b} {animals} and \
             buys {c}. How many {animals} does {he} have now?",
            "On {name}'s farm, {p} {animals} live in each of {q} barns. {b} {animals} run away, and {c} are \
             born. How many {animals} are there now?",
        ],
        steps: &[
            "There were <q * p = d> {animals}.",
            "Then there were <d - b = e>.",
            "Now there are <e + c = f> {animals}.",
        ],
    },
    Template {
        numbers: &[("q", Between(2, 6)), ("p", Between(8, 30)), ("r", Between(2, 5)), ("s", Between(2, 5))],
        questions: &[
            "{name} rides a bike for {q} hours at {p} miles an hour. Then {he} walks for {r} hours at {s} \
             miles an hour. How many miles is that in all?",
            "{name} goes {p} miles an hour by {ride} and {s} miles an hour on foot. How far does {he} go in \
             {q} hours by {ride} and {r} hours on foot?",
        ],
        steps: &[
            "The ride is <q * p = a> miles.",
            "The walk is <r * s = b> miles.",
            "In all, it is <a + b = c> miles.",
        ],
    },
    Template {
        numbers: &[("a", Between(6, 60)), ("b", Between(6, 60)), ("q", Between(3, 9)), ("k", Between(2, 9))],
        questions: &[
            "{name} runs a camp with {a} boys and {b} girls. They make teams of {q}, and {k} teams go \
             [swimming|hiking|home]. How many teams stay?",
            "There are {a} girls and {b} boys at {name}'s school. They form groups of {q}, and {k} groups \
             [sing|paint|play music]. How many groups do not?",
        ],
        steps: &["There are <a + b = c> children.", "They make <c / q = d> teams.", "So <d - k = e> stay."],
    },
    Template {
        numbers: &[("q", Between(3, 9)), ("p", Between(2, 9)), ("b", Between(5, 60)), ("r", Between(2, 9))],
        questions: &[
            "A group of {r} {guests} buys {q} {cakes} for ${p} each and a {gift} for ${b}. They split the \
             cost equally. How much does each {guest} pay?",
            "For {name}'s birthday, {r} {guests} buy a {gift} for ${b} and {q} {cakes} for ${p} each. They \
             share the cost equally. How much does each pay?",
        ],
        steps: &[
            "The {cakes} cost <q * p = $c>.",
            "All of it costs <c + b = $d>.",
            "Each {guest} pays <d / r = $e>.",
        ],
    },
    Template {
        numbers: &[
            ("n", Between(40, 200)),
            ("a", Between(5, 60)),
            ("b", Between(5, 60)),
            ("p", Between(4, 12)),
        ],
        questions: &[
            "{name} wants a {gift} that costs ${n}. {He} has ${a}, {name2} gives {him} ${b}, and {he} saves \
             ${p} a week. How many weeks does {he} need?",
            "A {gift} costs ${n}. {name} got ${a} from {his} aunt and ${b} from {his} uncle. How many weeks \
             must {he} save ${p} a week to buy it?",
        ],
        steps: &["{name} has <a + b = $c>.", "{He} needs <n - c = $d> more.", "That is <d / p = e> weeks."],
    },
    Template {
        numbers: &[("p", Between(3, 40)), ("k", Between(2, 6)), ("n", Between(40, 300))],
        questions: &[
            "A {gift} costs ${p}, and a {gift2} costs {k} times as much. {name} has ${n} and buys both. How \
             much money does {he} have left?",
            "{name} has ${n}. {He} buys a {gift} for ${p} and a {gift2} for {k} times that price. How much \
             money is left?",
        ],
        steps: &["The {gift2} costs <p * k = $a>.", "Both cost <p + a = $b>.", "{name} keeps <n - b = $c>."],
    },
    Template {
        numbers: &[("q", Between(3, 9)), ("p", Between(6, 30)), ("r", Between(2, 6)), ("s", Between(3, 25))],
        questions: &[
            "{name} has {q} {packs} of {p} {items} each. {He} gives {r} {items} to each of {s} students. How \
             many {items} are left?",
            "{name} buys {q} {packs} with {p} {items} in each for a class. Each of the {s} students takes \
             {r}. How many {items} are left?",
        ],
        steps: &[
            "There are <q * p = a> {items}.",
            "The students get <s * r = b>.",
            "Then <a - b = c> {items} are left.",
        ],
    },
    Template {
        numbers: &[("a", Between(6, 60)), ("b", Between(4, 50)), ("n", Between(50, 300))],
        questions: &[
            "{name} has {n} feet of fence. {His} garden is {a} feet long and {b} feet wide. {He} puts fence \
             all around it. How many feet of fence are left?",
            "A field is {a} feet long and {b} feet wide. {name} ties a rope all around it. The rope was {n} \
             feet long. How many feet are left?",
        ],
        steps: &[
            "Two sides are <a + b = c> feet.",
            "All four are <c * 2 = d> feet.",
            "Then <n - d = e> feet are left.",
        ],
    },
];
