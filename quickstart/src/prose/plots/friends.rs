//! Two who get on, or do not at first.

use super::Plot;

/// The hero breaks a friend's thing, hides it, and owns up.
pub(super) const BROKEN: Plot = &[
    &[
        "\n{name2} the {trait2} {kind2} owned a {look} {thing}, a [gift|present] from {his2} {relative}. \
         {Some when}, {name} [picked it up|borrowed it|looked at it] and dropped it. [Crack|Crash|Snap]! It \
         broke into {few} pieces.",
        "\n{Some when}, {name} was visiting {name2}, a {trait2} {kind2}. {He} wanted to [touch|see|try] the \
         {look} {thing} that stood {nook2}, but it [slipped|fell] from {his} hands and broke into {few} \
         pieces.",
    ],
    &[
        "{name} felt {some sad}. {He} hid the {few} pieces {nook} and [told nobody|said nothing|{some went} \
         home].",
        "Nobody had [seen|heard|noticed] it, [except|but for] a {some animal}. {name} [quickly|quietly|\
         nervously] put all {few} pieces {nook} and [sang a song|ate some {some food}|pretended to sleep].",
    ],
    &[
        "The next {part}, {name2} asked, \"Have you seen my {look} {thing}?\" {name} looked at {his} [feet|\
         hands|knees]. \"No,\" {he} {some said}[| {some manner}].",
        "\"My {thing} is gone,\" {some said} {name2} the next {part}. \"Perhaps a {some animal} took it,\" \
         {some replied} {name}[| {some manner}], but {his} [face turned red|voice shook|heart beat fast].",
    ],
    &[
        "That night {he} could not [sleep|eat|rest]. {He} [thought|dreamed] of the {few} pieces {nook} and \
         of {some sight}.",
        "All day long {he} felt {some sad}. Even {some food} and {some food} [tasted|smelled] of [dust|\
         nothing|ashes].",
    ],
    &[
        "[At last|Finally|In the end|Then] {he} {some went} {some way} to {name2}. \"I broke your {thing}, \
         and I hid the pieces {nook},\" {he} said {some manner}. \"I am [so|very|truly] sorry.\"",
        "In the morning {he} took the {few} pieces and knocked at {name2}'s door. \"It was not a {some \
         animal},\" {he} {some said}[| {some manner}]. \"I broke your {look} {thing}. Please forgive me.\"",
    ],
    &[
        "\n{name2} was quiet for a [moment|while]. Then {he2} said, \"A {thing} can be mended, but a lie is \
         harder to mend.\" With [glue|string|wire|nails] and patience they put all {few} pieces together.",
        "\n{name2} [smiled|nodded|sighed]. \"{some thanks},\" {he2} said, \"for telling me the truth.\" They \
         mended the {look} {thing} with [glue|string|wire|nails], and it looked [almost new|a little crooked|\
         better than before].",
    ],
];

/// Two want the same thing, and a third finds a rule.
pub(super) const QUARREL: Plot = &[
    &[
        "\n{Some when}, {name} and {name2} the {trait2} {kind2} found a {look} {thing} {spot}. \"I saw it \
         first!\" {some said} {name}[| {some manner}]. \"No, it is mine!\" {some replied} {name2}[| {some \
         manner}].",
        "\n{name} and {his} [friend|neighbor|cousin] {name2}, a {trait2} {kind2}, both wanted the {look} \
         {thing} that lay {spot}. \"Give it to me,\" {some said} {name2} {some manner}. \"Never!\" {some \
         said} {name}[| {some manner}].",
    ],
    &[
        "They pulled and pushed until they were [dirty|tired|sore|out of breath], and {some sight} stopped \
         to watch.",
        "For {some few} [hours|days] they [argued|shouted|fought]. {name} called {him2} {some trait}, and \
         {name2} called {him} {some trait}. Both were [very|so|rather|quite|a little] {some sad}.",
    ],
    &[
        "{name3}, an old {kind3}, heard the noise and came {some way}. \"What is the matter?\" {he3} asked \
         {some manner}.",
        "\"Stop!\" {some said} a voice. It was {name3} the {trait3} {kind3}, who was carrying {some food} to \
         the {some scene} {land2}.",
    ],
    &[
        "\"On {day}, the {thing} belongs to {name}, and on {day2} to {name2},\" {some replied} {name3}[| \
         {some manner}]. \"And on {day3} you use it together.\"",
        "{name3} [thought|listened] for a while. \"{name} may have it every {day}, and {name2} every \
         {day2},\" {he3} said {some manner}. \"But on {day3} you both bring it to me.\"",
    ],
    &[
        "They thought about it {some manner}. \"That is fair,\" {some replied} {name2}[ {some manner}|, and \
         shook {name}'s hand].",
        "\"{day2} is [a good|the best] day,\" {some replied} {name2}[| {some manner}]. \"And I like {day},\" \
         {some said} {name}[| {some manner}].",
    ],
    &[
        "\nSo on {day}, {name} took the {look} {thing} to the {land}, and on {day2}, {name2} took it to the \
         {land2}. But soon they liked {day3} best.",
        "\nNow the {look} {thing} is at the {land} on {day} and at the {land2} on {day2}. And on {day3}? \
         Then you can see {name}, {name2} and {name3} eat {some food} {spot}.",
    ],
];

/// The hero visits someone new.
pub(super) const NEIGHBOR: Plot = &[
    &[
        "\n{Some when}, somebody new moved into the {old} {house2} {some beside} the {some scene} {land2}. \
         It was {name2}, a {trait2} {kind2} with a {look} {thing}.",
        "\nA {kind2} named {name2} came to live {some beside} the {some scene} {land2} {some when}. {He2} \
         brought nothing but {some few} [boxes|bags|sacks] of {some crop} and a {look} {thing}.",
    ],
    &[
        "[Nobody|No one] talked to {him2}. \"A {kind2} with a {look} {thing} is [dangerous|strange|bad \
         luck],\" {some said} the {trade} to the {trade2}.",
        "The neighbors [stayed away|closed their doors|looked the other way]. They said that {name2} was \
         {some trait} and ate {some crop} [at night|with {some herb}|in the dark].",
    ],
    &[
        "{name} was {some sad} when {he} saw {him2} sit alone {spot}. So {he} filled a {some color} basket \
         with {food} and {food2} and {some went} {some way}.",
        "But {name} was [curious|not afraid|tired of the talk]. {He} [cooked|packed|bought] some {some \
         taste} {food} and some {some taste} {food2}, and {some went} to the {land2}. {some aside}",
    ],
    &[
        "\"{some hello},\" {he} {some said}[| {some manner}]. \"I am {name}, and I live {some beside} the \
         {land}. Do you like {food}?\"",
        "{name2} sat {spot}. \"{some hello},\" {some said} {name} {some manner}. \"I have brought you some \
         {food}.\"",
    ],
    &[
        "\"I love {food},\" {some replied} {name2}[| {some manner}]. \"{some thanks}.\"",
        "{name2} [looked up|smiled|blushed] and {some said}, \"You are the first who has spoken to me [since \
         {day}|for {some many} days].\"",
    ],
    &[
        "\nThey ate the {food} first and then the {food2}, and {name2} showed {him} how to [use|hold|clean] \
         the {look} {thing}. By the end of {season}, [everyone|the whole village] wanted to see it.",
        "\nWhen the {food} and the {food2} were gone, {name2} told {him} about the {look} {thing}: it had \
         once belonged to a {some trade} who sold it for {some sight}. {name} has visited {him2} every {day} \
         since then.",
    ],
];

/// A guest in bad weather leaves something behind.
pub(super) const SHELTER: Plot = &[
    &[
        "\nOne {sky} night, somebody knocked {few} times. Outside in the {weather} stood {name2}, a {trait2} \
         {kind2} with [no shoes|a torn coat|an empty bag|a broken {some thing}].",
        "\n{name} was cooking {some food} on a {sky} evening when there were {few} knocks at the door. A \
         {kind2} [stood|waited] outside in the {weather}. \"My name is {name2},\" {he2} {some said}[| {some \
         manner}].",
    ],
    &[
        "\"Please let me in,\" {some said} {name2}[| {some manner}]. \"I have walked in the {weather} all \
         the way from the {some scene} {land2}, and I am {some sad}.\"",
        "\"Nobody {some beside} the {some scene} {land2} would open the door,\" {he2} said {some manner}. \
         \"I knocked at {some many} houses.\"",
    ],
    &[
        "{name} had only some {some taste} {food} and one {look} blanket, but {he} gave {name2} the {food} \
         and put the blanket around {him2}.",
        "\"Come in,\" {some replied} {name}[| {some manner}]. \"You will find {food} on the table and a \
         {look} blanket {nook}.\" {He} made a fire and some {some drink}.",
    ],
    &[
        "All night long, {name2} told stories about {some sight} and {some sight}.",
        "{name2} ate all the {food} and sang a {some tune} song about {some sight}. Then they slept until \
         {some part}.",
    ],
    &[
        "In the morning, {name2} was gone, and so was the {weather}. The {look} blanket lay {nook}, and on \
         it was a {look2} {thing2}.",
        "When {name} woke up, nobody was there. But {nook2} {he} found a {look2} {thing2} wrapped in the \
         {look} blanket.",
    ],
    &[
        "\n\"For the {kind} who shared {his} {food} with me,\" said a note. {name} never saw {name2} again, \
         but {he} kept the {look2} {thing2} {nook3}.",
        "\n{He} took the {look2} {thing2} to {name3} the {trait3} {kind3}. \"Do you not know?\" {some said} \
         {name3}[| {some manner}]. \"{name2} is the [king|queen|ruler] of the {land2}!\" Since then, {name} \
         opens the door after {few} knocks.",
    ],
];
