//! Something is missing, hidden, or stuck.

use super::Plot;

/// The hero loses a thing, asks, and finds it.
pub(super) const LOST: Plot = &[
    &[
        "\n{Some when}, {name} could not find {his} {look} {thing}. {He} had [used|seen|held|cleaned] it \
         {some beside} the {some scene} {land2} [the day before|on {some day}], but now it was gone.",
        "\n{Some when}, {name} [came home|woke up|opened {his} eyes] and noticed that {his} {look} {thing} \
         was missing. It was a [gift|present] from {his} {relative}, and {he} [loved|needed|used] it [every \
         day|more than anything].",
        "\n\"Where is my {look} {thing}?\" {some said} {name} {some when}. {He} had [left|put|hung] it \
         {nook3}, [but it was not there|but now there was only {some sight}|and now there was nothing but \
         dust].",
    ],
    &[
        "{He} [looked|searched|peeked] {nook}, but [found only|there was only] a {some look} {some thing}. \
         {He} [looked|searched] {nook2}, but [there was nothing|found only {some food}|saw only {some \
         sight}].",
        "First {he} looked {nook}. [Then|Next] {he} [looked|searched] {nook2}. [All {he} found was|There was \
         nothing but|{He} saw only] a {some look} {some thing} and some {some food}.",
        "{He} [emptied|turned over|shook] every {some case} in the {house} and felt more and more {some \
         sad}.",
    ],
    &[
        "So {he} {some went} to {name2} the {trait2} {kind2}. \"Have you seen my {look} {thing}?\" {he} \
         asked {some manner}.",
        "{name2}, a {trait2} {kind2}, [came by|was sitting outside|saw {him} searching]. \"What are you \
         looking for?\" asked {name2}. \"My {look} {thing},\" {some said} {name}[| {some manner}].",
    ],
    &[
        "\"[Yes|I think so|Perhaps|Maybe],\" {some replied} {name2}[| {some manner}]. \"I saw something \
         {look} {spot} {some beside} the {land2}.\"",
        "\"[No|I am afraid not],\" {some replied} {name2}[| {some manner}], \"but {name3} the {trait3} \
         {kind3} found a {thing} {spot}. You must go to the {land2}.\"",
    ],
    &[
        "{name} {some went} {some way} to the {land2}. {some aside} There, {spot}, lay the {look} {thing}.",
        "{name} {some went} {some way} until {he} came to the {land2}. {some aside} And there was the {look} \
         {thing}, {spot}, [a little wet|covered with leaves|full of sand|as {look} as ever].",
    ],
    &[
        "\n\"{some thanks},\" {he} told {name2} that {some part}. From then on, {he} kept the {look} {thing} \
         {nook3}.",
        "\n{name} [hugged|kissed|cleaned|shook] the {thing} and {some went} home. {He} gave {name2} some \
         {some food} and put the {look} {thing} {nook3}, where it [was safe|stayed|belonged].",
    ],
];

/// A map leads two friends to a chest.
pub(super) const MAP: Plot = &[
    &[
        "\n{Some when}, {name} found a [torn|folded|yellow|faded] map {nook}. It showed the way from the \
         {land} to the {some scene} {land2}, with a {color} cross {spot}.",
        "\n{Some when}, {his} {relative} gave {him} an old map. Somebody had drawn a {color} cross {spot}, \
         {some beside} the {some scene} {land2}.",
    ],
    &[
        "{He} showed the map to {name2}, a {trait2} {kind2}. \"[Let us go|We should look] [at once|together|\
         before dark],\" {some said} {name2}[| {some manner}], [jumping up|with shining eyes|and put on a \
         {some color} coat].",
        "\"What does it mean?\" {he} asked {his} friend {name2} the {trait2} {kind2}. \"A {color} cross \
         means [gold|treasure|a secret|danger],\" {some replied} {name2}[| {some manner}].",
    ],
    &[
        "They packed some {some taste} {food}, a {look2} {thing2} and a {spade}, and {some went} {some way}. \
         {some aside}",
        "{name} carried the {spade}, and {name2} carried the {food}. They {some went} {some way} and {some \
         way}.",
    ],
    &[
        "At the {land2}, {name} [counted|took] {some many} steps and began to dig {spot}. [Soon|At last|\
         After an hour], the {spade} hit something hard.",
        "It was {part} when they reached the {land2}. \"Here is the {color} cross,\" {some said} {name}[| \
         {some manner}], and they dug {spot} with the {spade} until [it was dark|their arms were sore|they \
         heard a knock].",
    ],
    &[
        "It was a {some old} chest. Inside lay a {look} {thing} and a letter. \"Whoever finds this {thing} \
         [may keep it|must share it|is a true friend],\" said the letter.",
        "They pulled out a {some worn} chest and opened it {some manner}. There was no gold in it, only a \
         {look} {thing}[ wrapped in paper| and a dry flower| and {some few} shells|].",
    ],
    &[
        "\n\"[You take it|It is yours],\" {some said} {name2}[| {some manner}], but {name} shook {his} head. \
         The two of them ate the {food} and carried the {look} {thing} back to the {house} {some beside} the \
         {land}.",
        "\n{name} and {name2} shared the {food} and felt {some glad}. The {look} {thing} now stands {nook}, \
         and the map with the {color} cross hangs above it.",
    ],
];

/// A noise at night turns out to be a guest.
pub(super) const NOISE: Plot = &[
    &[
        "\nOne {sky} night, {name} was woken by a [strange|loud|soft|odd|low] {sound}. It came from \
         somewhere {nook}.",
        "\n{name} was almost asleep when {he} heard a {sound} {nook}. It was a {sky} night in {season}, and \
         {he} was alone in the {house}.",
    ],
    &[
        "{He} pulled {his} {some color} blanket up to {his} [nose|chin|ears] and [lay very still|counted to \
         {some many}|held {his} breath]. \"It must be a {beast},\" {he} whispered.",
        "\"Is it a {beast}?\" {he} thought. {He} [hid|shook|trembled] [behind a {some look} pillow|under the \
         blanket|like a leaf] and felt [very|so|rather|quite|a little] {some sad}.",
    ],
    &[
        "The {sound} [grew louder|came again|did not stop|came closer]. [At last|Finally|After a while], \
         {name} took {his} {look} {thing} and [crept|tiptoed|crawled] across the [cold|dark|wooden|squeaky] \
         floor.",
        "Then there was the {sound} again, and a [crash|cough|sneeze|giggle]. {name} lit a {some color} \
         candle, held up {his} {look} {thing} and {some said}, \"Who is there?\"",
    ],
    &[
        "There, {nook}, sat {name2}, a {size2} {kind2} with a mouth full of {food}.",
        "But {nook} there was no {beast}. There was only {name2} the {trait2} {kind2}, eating {food} from a \
         {some look} [bowl|plate|pot|pan|basket].",
    ],
    &[
        "\"I am so sorry,\" {some said} {name2}[| {some manner}]. \"I came in out of the {weather}, and I \
         was [hungry|starving|cold and hungry]. Your {food} smelled [wonderful|so good|of {some scent}].\"",
        "\"Please put down that {thing},\" {some said} {name2} {some manner}. \"I only wanted some {some \
         taste} {food}. I [lost my way|have walked all night] in the {weather}.\"",
    ],
    &[
        "\n{name} laughed. \"I thought you were a {beast}!\" {he} said, and put the {thing} away. Then they \
         ate {food} together and talked about {some sight}.",
        "\n\"And I was afraid of you!\" {some said} {name}[| {some manner}]. {He} brought more {food} and \
         some {drink}. Since that night, whenever {he} hears a {sound}, {he} only says, \"Good evening, \
         {name2}.\"",
    ],
];

/// The hero frees a stranger, who returns the favor.
pub(super) const RESCUE: Plot = &[
    &[
        "\n{Some when}, {name} was on {his} way to the {some scene} {land2} when {he} heard a [small|weak|\
         tiny|frightened] voice. \"[Help|Help me|Please help|Is anybody there]!\" it cried.",
        "\n{Some when}, {name} {some went} {some way} toward the {some scene} {land2}. {some aside} \
         Suddenly, somebody [called|cried|shouted] for help.",
    ],
    &[
        "It was {name2}, a {trait2} {kind2}, whose {limb} was [stuck|caught|trapped] {spot}.",
        "{name2} the {trait2} {kind2} lay {spot} and could not get up. A [stone|branch|beam|wheel] had \
         fallen on {his2} {limb}, and {he2} was [very|so|rather|quite|a little] {some sad}.",
    ],
    &[
        "\"[Do not worry|Stay calm|Wait here|Be brave],\" {some said} {name}[| {some manner}]. {He} {some \
         went} back to the {house} and fetched a {look} {tool}.",
        "{name} tried to pull with {his} hands, but it was no use. So {he} borrowed a {look} {tool} from \
         {name3} the {trait3} {kind3}, who [lived|worked] [nearby|{some beside} the {land2}].",
    ],
    &[
        "{He} pulled and [pushed|pulled|dug|twisted] with the {tool}, once, twice, {some few} times. Then \
         there was a [crack|snap|pop|thud], and the {limb} was free.",
        "It took [all {part}|an hour|a long time] in the {weather}, and the {look} {tool} almost broke. But \
         [at last|finally|in the end|suddenly] {name2} could move {his2} {limb}.",
    ],
    &[
        "\"{some thanks},\" {some said} {name2}[| {some manner}]. \"One day I will help you too.\"",
        "{name2} [wept|smiled|danced] and gave {him} a {look2} {thing2}. \"{some thanks},\" {he2} said {some \
         manner}.",
    ],
    &[
        "\n[Some weeks|A month|A year] later, it was {name} who [fell into a hole|slipped on the ice|got \
         lost] {some beside} the {land}. And who came with a {look} {tool}? It was {name2}.",
        "\nSince that day, {name2} has [visited|helped|written to] {name} every {day}. They [drink|share] \
         {some drink}, talk about {some sight}, and never forget the {look} {tool}.",
    ],
];
