//! On the road.

use super::Plot;

/// The boaster stops on the way and loses.
pub(super) const RACE: Plot = &[
    &[
        "\n\"I am the fastest {kind2} {some beside} the {land},\" {some said} {name2} {some when}. \"Race me \
         to the {some scene} {land2}!\" \"Very well,\" {some replied} {name}[| {some manner}].",
        "\n{Some when}, {name2} the {trait2} {kind2} laughed at {name}'s [legs|feet|shoes]. \"You are as \
         slow as a {some thing},\" {he2} {some said}[| {some manner}]. \"Then let us race to the {some \
         scene} {land2},\" {some replied} {name}[| {some manner}].",
    ],
    &[
        "{name3} the {trait3} {kind3} [waved|dropped|held up] a {color} flag. \"The winner gets a {prize},\" \
         {he3} {some said}[| {some manner}].",
        "\"I will wait at the {land2} with a {prize} for the winner,\" {some said} {name3}, a {trait3} \
         {kind3}, and waved a {color} flag.",
    ],
    &[
        "{name2} {some went} {some way} and was soon out of sight. {name} followed {some manner}. {some \
         aside}",
        "At first {name2} was far ahead. {He2} {some went} {some way}, while {name} still {some went} {some \
         way}.",
    ],
    &[
        "But {name2} was too sure of winning. {He2} [lay down|sat down] {spot} to [eat some {some taste} \
         {food}|take a nap|wait]. {Some few} minutes later {he2} was asleep.",
        "\"There is plenty of time,\" thought {name2}. {He2} sat down {spot}, ate some {some food}, and fell \
         asleep.",
    ],
    &[
        "{name} passed {him2} {some manner} and did not stop. When {name2} woke up {spot}, the {sky} {part} \
         was almost over.",
        "{name2} dreamed of {some sight}. {Spot}, nobody woke {him2} but a {some animal}, and by then {name} \
         was almost at the {land2}.",
    ],
    &[
        "\n{name3} waved the {color} flag. \"{name} [wins|is the winner]!\" {he3} {some said}, and gave \
         {him} the {prize}. {name2} was {some sad}, but {name} shared it with {him2}.",
        "\n\"Where is {name2}?\" {some said} {name3} at the {land2}. \"Asleep {spot},\" {some replied} \
         {name}, who was [very|so|rather|quite|a little] {some glad} and took the {prize} home to {his} \
         {relative}.",
    ],
];

/// The hero gives up a race to help.
pub(super) const HELP: Plot = &[
    &[
        "\nEvery {season} there was a race from the {land} to the {some scene} {land2}, and the winner got a \
         {prize}. This time, {name} and {name2} the {trait2} {kind2} were the fastest.",
        "\n{Some when}, {some many} runners stood {some beside} the {land}. The first at the {some scene} \
         {land2} would get a {prize}. Among them were {name} and {name2}, a {trait2} {kind2}.",
    ],
    &[
        "{name3} the {trait3} {kind3} [rang|hit|shook] a {look} bell, and off they {some went}, {some way} \
         and {some way}.",
        "\"[Ready|Go|Run]!\" {some said} {name3} the {trait3} {kind3} with the {look} bell. {some aside}",
    ],
    &[
        "Halfway there, {name2} [fell|stumbled|slipped] {spot} and hurt {his2} {limb}. \"[Ouch|Oh no|\
         Help]!\" {he2} {some said}[| {some manner}].",
        "Then {name} heard a cry. {name2} lay {spot} and held {his2} {limb}. The others {some went} past \
         {some manner}.",
    ],
    &[
        "{name} could have won. But {he} turned around, [tied a {color} ribbon|put a {color} scarf] around \
         the {limb}, and [carried|helped|pulled] {name2} {some way}.",
        "\"[Do not wait for me|Run on|You can win],\" {some said} {name2}[| {some manner}]. \"No,\" {some \
         replied} {name}[| {some manner}]. {He} looked at the {limb} and [bound it with a {color} ribbon|\
         rubbed it with {some herb}].",
    ],
    &[
        "They were the last to reach the {land2}. A {some trade} had already won the {prize}.",
        "It was dark when they came to the {land2}, and the {prize} was gone. {name} felt {some sad} for a \
         moment.",
    ],
    &[
        "\nBut {name3} came with the {look} bell. \"This is for the one who stopped {spot},\" {he3} {some \
         said}, and gave it to {name}. The {limb} was well again by {day}.",
        "\n\"{some thanks},\" {some said} {name2}[| {some manner}]. The next {day}, when the {limb} was \
         better, {he2} brought {name} some {some taste} {food} and a {look2} {thing2}. {name} liked them \
         more than the {prize}.",
    ],
];

/// The hero brings a thing to someone far away.
pub(super) const ERRAND: Plot = &[
    &[
        "\n{Some when}, {his} {relative} gave {name} a {look} {thing}. \"Take it to {name2} the {trait2} \
         {kind2} at the {some scene} {land2}, and do not lose it,\" {some said} {his} {relative}.",
        "\n\"My friend {name2} the {trait2} {kind2} needs this {look} {thing},\" {some said} {his} \
         {relative} {some when}. \"Please bring it to the {some scene} {land2}.\"",
    ],
    &[
        "{name} put the {thing} into a {color} bag and {some went} {some way}. {some aside}",
        "{He} packed the {thing} and some {some taste} {food} into a {color} bag. {Some later} {he} {some \
         went} {some way} and {some way}.",
    ],
    &[
        "{Spot}, a {trait3} {kind3} stood in the way. It was {name3}. \"What is in your {color} bag?\" {he3} \
         {some said}[| {some manner}]. \"A {look} {thing} for {name2},\" {some replied} {name}[| {some \
         manner}].",
        "{Some later} {he} met {name3}, a {trait3} {kind3}. \"{some hello},\" {some said} {name3}[| {some \
         manner}]. \"Are you going to the {land2} with that {color} bag?\"",
    ],
    &[
        "\"Give me some {food}, and I will [show you the way|carry you over the water|let you pass],\" {some \
         said} {name3}[| {some manner}]. {name} gave {him3} the {food} {some manner}.",
        "\"You look {some sad},\" {some replied} {name}[| {some manner}], \"have some {food}.\" {name3} ate \
         {some manner} and told {him} to turn left at {some sight}.",
    ],
    &[
        "When {name} came to the {land2}, {name2} was waiting {spot2}. \"Do you have my {thing}?\" {he2} \
         {some said}[| {some manner}].",
        "{He} reached the {land2} in the {part}. {name2} sat {spot2} and was {some sad}, for there was still \
         no {thing}.",
    ],
    &[
        "\n{name2} took the {look} {thing} out of the {color} bag. \"{some thanks},\" {he2} {some said}[| \
         {some manner}]. \"Tell your {relative} that I am [very|so|rather|quite|a little] {some glad}.\"",
        "\nNow {name2} had the {look} {thing}, {name3} had eaten the {food}, and {name} {some went} home \
         with an empty {color} bag. {His} {relative} was {some glad}.",
    ],
];

/// One swap leads to another.
pub(super) const SWAPS: Plot = &[
    &[
        "\n{name} owned a {look} {thing}, but what {he} really wanted was a {look2} {thing2}.",
        "\n{Some when}, {name} looked at {his} {look} {thing}. \"I never use it,\" {he} {some said}[| {some \
         manner}]. \"I would rather have a {look2} {thing2}.\"",
    ],
    &[
        "At the {some scene} {land2}, {he} met {name2} the {trait2} {kind2}. \"I will give you a {look3} \
         {thing3} for your {thing},\" {some said} {name2}[| {some manner}]. {name} thought about it and \
         agreed.",
        "{He} {some went} {some way} and met {name2}, a {trait2} {kind2} with a {look3} {thing3}. \"Shall we \
         trade?\" {some said} {name2}[| {some manner}]. \"My {thing3} for your {thing}?\"",
    ],
    &[
        "Now {name2} had the {look} {thing}, and {name} had the {look3} {thing3}. {some aside}",
        "So {name} took the {look3} {thing3} and {some went} {some way}. {some aside}",
    ],
    &[
        "{name3} the {trait3} {kind3} was sitting {spot}, [very|so|really] {some sad}. \"I need a \
         {thing3},\" {he3} {some said}[| {some manner}]. \"But all I have is this {look2} {thing2}.\"",
        "{Some later} {he} saw {name3}, a {trait3} {kind3}, {spot}. \"{some hello},\" {some said} {name3}[| \
         {some manner}]. \"What a {look3} {thing3}! I would give my {look2} {thing2} for it.\"",
    ],
    &[
        "\"Then let us trade!\" {some said} {name}[| {some manner}]. {name3} took the {thing3}, and {name} \
         took the {thing2} {some manner}.",
        "{name} could hardly believe it. \"Here is the {thing3},\" {he} {some said}, and {name3} handed \
         {him} the {thing2}.",
    ],
    &[
        "\nThat {part}, all three were {some glad}: {name2} with the {look} {thing}, {name3} with the \
         {look3} {thing3}, and {name} with the {look2} {thing2}.",
        "\nThe {look2} {thing2} now stands {nook}. The last time {he} asked, {name3} still had the {look3} \
         {thing3}, and {name2} the {look} {thing}.",
    ],
];

/// The hero gives the picnic away on the way to it.
pub(super) const PICNIC: Plot = &[
    &[
        "\n{Some when}, {name} packed {food}, {food2} and a bottle of {drink} for a picnic at the {some \
         scene} {land2}.",
        "\nIt was a {sky} {part} in {season}. \"A fine day for a picnic at the {some scene} {land2},\" {some \
         said} {name}[| {some manner}], and put {food}, {food2} and {drink} into a {color} basket.",
    ],
    &[
        "On the road {he} met {name2}, a {trait2} {kind2}. \"{some hello},\" {some said} {name2}[| {some \
         manner}]. \"Do I smell {food}? I am so hungry.\" {name} gave {him2} the {food}.",
        "{He} {some went} {some way}. There stood {name2} the {trait2} {kind2}, who had not eaten since \
         {some day}. \"Take the {food},\" {some said} {name} {some manner}.",
    ],
    &[
        "A little later, {name3} the {trait3} {kind3} came {some way}. {He3} looked {some sad}, so {name} \
         gave {him3} the {food2}.",
        "{some aside} {Some later} {he} saw {name3}, a {trait3} {kind3}, who was crying {spot}. \"I love \
         {food2},\" {some said} {name3}[| {some manner}], and ate everything.",
    ],
    &[
        "At the {land2}, there was nothing left but the {drink}. {name} sat down {spot2} and felt {some \
         sad}.",
        "When {name} sat down {spot2} at last, {he} had only the bottle of {drink}. {He} drank [a little|\
         half of it] and watched {some sight}.",
    ],
    &[
        "Then somebody called. {name2} came {some way} with {food3}, and {name3} brought {food4}.",
        "\"There you are!\" {some said} two voices. \"I have {food3} for you,\" {some said} {name2}[| {some \
         manner}]. \"And I have {food4},\" {some replied} {name3}[| {some manner}].",
    ],
    &[
        "\nThe three of them ate the {food3} and the {food4} {spot2} and shared the {drink}. \"{some \
         thanks},\" {some said} {name}[| {some manner}].",
        "\n{name} had given away {food} and {food2}, and now {he} had {food3}, {food4} and two friends. They \
         stayed at the {land2} until the {drink} was gone.",
    ],
];
