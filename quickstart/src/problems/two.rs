//! Problems of two steps.

use super::template::Draw::{Between, Of};
use super::template::Template;

pub(super) const TEMPLATES: &[Template] = &[
    Template {
        numbers: &[("q", Between(3, 9)), ("p", Between(2, 15)), ("n", Between(30, 150))],
        questions: &[
            "{name} has ${n}. {He} buys {q} {items} [for|that cost] ${p} each. How much money does {he} have \
             left?",
            "At the {shop}, one {item} costs ${p}. {name} has ${n} and buys {q} {items}. How much money is \
             left?",
        ],
        steps: &["The {items} cost <q * p = $c>.", "{name} has <n - c = $d> left."],
    },
    Template {
        numbers: &[("a", Between(30, 150)), ("b", Between(5, 60)), ("c", Between(5, 60))],
        questions: &[
            "{name} bakes {a} {cakes}. {He} sells {b} in the morning and {c} in the [afternoon|evening]. How \
             many {cakes} are left?",
            "{name} has {a} {cakes} for sale[| at the {shop}]. On [Friday|Monday] {he} sells {b} {cakes}, \
             and the next day {he} sells {c}. How many are left?",
        ],
        steps: &["After the first sale, <a - b = d> are left.", "Then <d - c = e> {cakes} are left."],
    },
    Template {
        numbers: &[("a", Between(15, 90)), ("b", Between(4, 40)), ("c", Between(4, 40))],
        questions: &[
            "A {ride} leaves with {a} passengers. At the [next stop|station], {b} people get off and {c} \
             people get on. How many passengers are on the {ride} now?",
            "{name} drives a {ride} with {a} people on it. {b} of them get off, and then {c} others get on. \
             How many people are on the {ride} now?",
        ],
        steps: &["After {b} get off, <a - b = d> are left.", "Then there are <d + c = e> people."],
    },
    Template {
        numbers: &[("a", Between(15, 90)), ("b", Between(4, 40)), ("c", Between(4, 40))],
        questions: &[
            "A {ride} leaves with {a} passengers. At the [next stop|station], {b} people get on. Later {c} \
             people get off. How many passengers are on the {ride} now?",
            "{name} drives a {ride} with {a} people on it. {b} others get on, and then {c} people get off. \
             How many people are on the {ride} now?",
        ],
        steps: &["After {b} get on, there are <a + b = d>.", "Then there are <d - c = e> people."],
    },
    Template {
        numbers: &[("a", Between(6, 90))],
        questions: &[
            "{name} [sold|made|baked] {a} {cakes} on [Monday|Friday] and twice as many the next day. How \
             many {cakes} is that in all?",
            "{name} has {a} {cakes}, and {name2} has twice as many. How many {cakes} do they have [together|\
             in all]?",
        ],
        steps: &["Twice as many is <a * 2 = b>.", "In all, there are <a + b = c> {cakes}."],
    },
    Template {
        numbers: &[("a", Between(8, 180))],
        questions: &[
            "{name} [sold|made|baked] {a} {cakes} on [Monday|Friday] and half as many the next day. How many \
             {cakes} is that in all?",
            "{name} has {a} {cakes}, and {name2} has half as many. How many {cakes} do they have [together|\
             in all]?",
        ],
        steps: &["Half as many is <a / 2 = b>.", "In all, there are <a + b = c> {cakes}."],
    },
    Template {
        numbers: &[("a", Between(8, 120)), ("k", Between(3, 40))],
        questions: &[
            "{name} collected {a} {toys}. {name2} collected {k} more than {name}. How many {toys} did they \
             collect [together|in all]?",
            "{name} has {a} {toys}, which is {k} fewer than {name2} has. How many {toys} do they have \
             [together|in all]?",
        ],
        steps: &["{name2} has <a + k = b> {toys}.", "Together they have <a + b = c> {toys}."],
    },
    Template {
        numbers: &[("a", Between(8, 150)), ("k", Between(3, 40))],
        questions: &[
            "{name} collected {a} {toys}. {name2} collected {k} fewer than {name}. How many {toys} did they \
             collect [together|in all]?",
            "{name} has {a} {toys}, which is {k} more than {name2} has. How many {toys} do they have \
             [together|in all]?",
        ],
        steps: &["{name2} has <a - k = b> {toys}.", "Together they have <a + b = c> {toys}."],
    },
    Template {
        numbers: &[("a", Between(4, 99)), ("b", Between(4, 99)), ("c", Between(4, 99))],
        questions: &[
            "{name} has {a} {toys}, {name2} has {b}, and {name3} has {c}. How many {toys} do [all three|the \
             three friends] have [together|in all]?",
            "{name} counts {toys} for three days. {He} counts {a} on Monday, {b} on Tuesday and {c} on \
             Wednesday. How many {toys} is that in all?",
        ],
        steps: &["The first two make <a + b = d>.", "With the third there are <d + c = e> {toys}."],
    },
    Template {
        numbers: &[("q", Between(3, 9)), ("p", Between(4, 20)), ("b", Between(3, 60))],
        questions: &[
            "{name} [buys|has] {q} {holders} of {fruits} with {p} {fruits} in each. {He} [eats|uses|gives \
             away] {b} of them. How many {fruits} are left?",
            "There are {p} {fruits} in each {holder}. {name} [buys|has] {q} {holders} and [uses|sells|gives \
             away] {b} {fruits}. How many {fruits} are left?",
        ],
        steps: &["There are <q * p = c> {fruits}.", "{name} has <c - b = d> {fruits} left."],
    },
    Template {
        numbers: &[("q", Between(3, 9)), ("p", Between(4, 20)), ("b", Between(3, 60))],
        questions: &[
            "{name} [buys|has] {q} {holders} of {fruits} with {p} {fruits} in each. {He} [finds|gets|picks] \
             {b} more of them. How many {fruits} are there now?",
            "There are {p} {fruits} in each {holder}. {name} has {q} {holders} and {b} more {fruits} on a \
             table. How many {fruits} does {he} have?",
        ],
        steps: &["The {holders} hold <q * p = c> {fruits}.", "{name} has <c + b = d> {fruits}."],
    },
    Template {
        numbers: &[("a", Between(20, 120)), ("b", Between(3, 30)), ("q", Between(2, 9))],
        questions: &[
            "{name} bakes {a} {cakes}. {He} keeps {b} and shares the rest equally among {q} {guests}. How \
             many {cakes} does each {guest} get?",
            "{name} had {a} {cakes} and [ate|lost|dropped] {b}. The others go to {q} {guests} in equal \
             parts. How many {cakes} does each {guest} get?",
        ],
        steps: &["There are <a - b = c> {cakes} to share.", "Each {guest} gets <c / q = d> {cakes}."],
    },
    Template {
        numbers: &[("a", Between(8, 70)), ("b", Between(4, 50)), ("q", Between(2, 9))],
        questions: &[
            "{name} bakes {a} {cakes}. {name2} brings {b} more, and they share all equally among {q} \
             {guests}. How many {cakes} does each {guest} get?",
            "{name} has {a} {cakes} and [buys|makes] {b} more. All go to {q} {guests} in equal parts. How \
             many {cakes} does each {guest} get?",
        ],
        steps: &["There are <a + b = c> {cakes} to share.", "Each {guest} gets <c / q = d> {cakes}."],
    },
    Template {
        numbers: &[("q", Between(3, 9)), ("p", Between(4, 25)), ("b", Between(4, 60))],
        questions: &[
            "{name} plants {q} rows of {flowers} with {p} in each row. [By the fence|By the door] {he} \
             plants {b} {flowers2}. How many flowers does {he} plant?",
            "{name}'s garden has {b} {flowers2} and {q} rows of {flowers}. Each row has {p} {flowers}. How \
             many flowers are in the garden?",
        ],
        steps: &["There are <q * p = c> {flowers}.", "In all, there are <c + b = d> flowers."],
    },
    Template {
        numbers: &[("q", Between(3, 9)), ("p", Between(4, 25)), ("b", Between(4, 60))],
        questions: &[
            "{name} plants {q} rows of {vegetables} with {p} in each row. Rabbits [eat|take] {b} of them. \
             How many {vegetables} are left?",
            "{name}'s garden has {q} rows of {vegetables}. Each row has {p}. {He} [picks|sells] {b} \
             {vegetables}. How many {vegetables} are left?",
        ],
        steps: &["There were <q * p = c> {vegetables}.", "Now <c - b = d> {vegetables} are left."],
    },
    Template {
        numbers: &[("q", Between(2, 9)), ("p", Between(6, 25)), ("b", Between(2, 30))],
        questions: &[
            "{name} earns ${p} an hour {job}. {He} works {q} hours and gets ${b} in tips. How much money \
             does {he} [get|make] in all?",
            "For {job}, {name} gets ${p} an hour. {He} works for {q} hours, and {his} [aunt|uncle|\
             grandmother] gives {him} ${b}. How much money does {he} have now?",
        ],
        steps: &["For the work {he} gets <q * p = $c>.", "In all, {he} gets <c + b = $d>."],
    },
    Template {
        numbers: &[("q", Between(2, 9)), ("p", Between(4, 25)), ("n", Between(30, 250))],
        questions: &[
            "{name} saves ${p} [each|every] week for {q} weeks. {He} wants a {gift} that costs ${n}. How \
             much more money does {he} need?",
            "A {gift} costs ${n}. {name} works {q} hours {job} for ${p} an hour. How much more money does \
             {he} need to buy it?",
        ],
        steps: &["{name} has <q * p = $c>.", "{He} needs <n - c = $d> more."],
    },
    Template {
        numbers: &[("q", Between(2, 7)), ("p", Between(15, 70)), ("n", Between(60, 400))],
        questions: &[
            "{name} takes a {ride} to a town that is {n} miles away. It goes {p} miles an hour. How many \
             miles are left after {q} hours?",
            "{name} drives a {ride} for {q} hours at {p} miles an hour. The [whole|full] trip is {n} miles \
             long. How many miles are left?",
        ],
        steps: &["The {ride} goes <q * p = c> miles.", "There are <n - c = d> miles left."],
    },
    Template {
        numbers: &[("q", Between(2, 9)), ("p", Between(6, 40)), ("n", Between(60, 400))],
        questions: &[
            "{name} reads {p} pages [a|each|every] day for {q} days. The [book|story] has {n} pages. How \
             many pages are left?",
            "{name} is reading a book about {animals} with {n} pages. {He} reads {p} pages [a|each|every] \
             day. How many pages are left after {q} days?",
        ],
        steps: &["{name} reads <q * p = c> pages.", "There are <n - c = d> pages left."],
    },
    Template {
        numbers: &[("a", Between(15, 99)), ("b", Between(2, 40)), ("n", Of(&[20, 50, 100]))],
        questions: &[
            "A {gift} costs ${a}, but today it is ${b} [cheaper|less]. {name} pays with a ${n} bill. How \
             much change does {he} get?",
            "{name} buys a {gift}. The price was ${a}, and the {shop} takes off ${b}. {He} pays with a ${n} \
             bill. How much change does {he} get?",
        ],
        steps: &["The {gift} costs <a - b = $c>.", "{name} gets back <n - c = $d>."],
    },
    Template {
        numbers: &[("a", Between(5, 90)), ("b", Between(5, 60)), ("n", Between(40, 250))],
        questions: &[
            "{name} has ${n}. {He} buys a {gift} for ${a} and a {gift2} for ${b}. How much money does {he} \
             have left?",
            "At the {shop}, a {gift} costs ${a} and a {gift2} costs ${b}. {name} buys both and had ${n}. How \
             much money is left?",
        ],
        steps: &["Together they cost <a + b = $c>.", "{name} has <n - c = $d> left."],
    },
    Template {
        numbers: &[("q", Between(2, 9)), ("p", Between(4, 20)), ("r", Between(2, 9))],
        questions: &[
            "{name} has {q} {holders} with {p} {fruits} in each. {He} shares all of them equally among {r} \
             {guests}. How many {fruits} does each {guest} get?",
            "A group of {r} {guests} shares {q} {holders} of {fruits} equally. Each {holder} has {p} \
             {fruits} in it. How many {fruits} does each {guest} get?",
        ],
        steps: &["There are <q * p = c> {fruits}.", "Each {guest} gets <c / r = d> {fruits}."],
    },
    Template {
        numbers: &[("q", Between(2, 9)), ("t", Between(8, 99)), ("r", Between(2, 12))],
        questions: &[
            "{name} pays ${t} for {q} {items}[| at the {shop}]. How much [do|would] {r} {items} cost?",
            "At the {shop}, {q} {items} cost ${t}. {name} [buys|needs] {r} {items}. How much does {he} pay?",
        ],
        steps: &["One {item} costs <t / q = $c>.", "So {r} {items} cost <c * r = $d>."],
    },
];
