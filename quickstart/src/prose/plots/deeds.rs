//! Something is earned, grown, learned, or cooked.

use super::Plot;

/// The hero works for a present.
pub(super) const GIFT: Plot = &[
    &[
        "\nNext {day} was the birthday of {name2} the {trait2} {kind2}, {his} best friend. {name} wanted to \
         give {him2} a {look} {thing}.",
        "\n{name} had a friend, a {trait2} {kind2} named {name2}, who had always wished for a {look} \
         {thing}. {His2} birthday was on {day}.",
    ],
    &[
        "In the shop {some beside} the {some scene} {land2}, such a {thing} cost {many} coins, but {name} \
         had only {few}.",
        "{name} counted {his} coins: there were only {few}. The {look} {thing} in the [window|shop|market] \
         cost {many}.",
    ],
    &[
        "So {he} went to {name3} the {trait3} {kind3} and asked for work. {He} [swept|washed|painted] the \
         {some old} {some building} and carried {some crop} {some way}, [all week|every {part}|in the \
         {weather}].",
        "\"I need help,\" {some said} {name3}, a {trait3} {kind3}. So {name} [fed|washed|counted] the {some \
         flock}, [cleaned|mended|painted] a {some thing}, and cooked {some food} for {some many} guests.",
    ],
    &[
        "\"You have worked {some well},\" {some replied} {name3}[| {some manner}], and paid {him} [what {he} \
         needed|the rest of the {many} coins|more than {he} had asked for].",
        "After {some few} days {name3} gave {him} a bag of coins. Now {name} had {many}, and {he} was [very|\
         so|rather|quite|a little] {some glad}.",
    ],
    &[
        "{He} {some went} {some way} to the shop and bought the {look} {thing}. {some aside} {Some later} \
         {he} wrapped it in {color} paper.",
        "\"The {look} {thing}, please,\" {he} {some said} in the shop. The {some trade} put it into a \
         {color} box.",
    ],
    &[
        "\nOn {day}, {name2} saw the {color} [present|parcel] and opened it {some manner}. \"A {look} \
         {thing}!\" {he2} {some said}[| {some manner}]. \"{some thanks}!\" They ate {some food} and {some \
         food} until it was dark.",
        "\nWhen {day} came, {name2} was [speechless|so {some glad} that {he2} danced]. \"How did you pay for \
         a {look} {thing}?\" {he2} asked. \"{name3} helped me,\" {some replied} {name}[| {some manner}], and \
         gave {him2} the last of the {some food}.",
    ],
];

/// A hungry thief becomes a helper.
pub(super) const GARDEN: Plot = &[
    &[
        "\nIn spring, {name} planted {few} rows of {crop} behind the {house}.",
        "\nEvery spring, {name} grew {crop} in {few} rows {spot}. They were the best {crop} {some beside} \
         the {land}.",
    ],
    &[
        "Each {part} {he} watered them with a {look} {can} and pulled out the weeds {some manner}. {some \
         aside}",
        "{He} carried water from the {land} in a {look} {can} and [sang|talked|read] to the {crop} every \
         {part}.",
    ],
    &[
        "But one [dark|warm|quiet] night, somebody came from the {some scene} {land2} and ate a whole row. \
         The next night, [another row|half of the {crop}] [disappeared|vanished].",
        "One {day}, {he} saw that [many|some] of the {crop} were gone. There were only {some sight} and the \
         [tracks|footprints] of a {kind2}.",
    ],
    &[
        "{name} hid {spot} with a {some look} {some thing} and waited. In the moonlight {he} saw {name2} the \
         {trait2} {kind2}. \"Why do you [eat|steal|take] my {crop}?\" {he} {some said}[| {some manner}].",
        "{He} was [very|so|rather|quite|a little] {some sad} and waited {spot} until midnight. Then a \
         {trait2} {kind2} came {some way}. \"Stop!\" {some said} {name}[| {some manner}]. \"Who are you?\" \
         \"{name2},\" {he2} {some replied}[| {some manner}].",
    ],
    &[
        "\"I am hungry,\" {some replied} {name2} {some manner}. \"Nothing grows {some beside} the {land2}, \
         and I have {some few} children.\"",
        "\"I am sorry,\" {some said} {name2}[| {some manner}]. \"I have eaten nothing since {some day}, and \
         your {crop} smelled of {some scent}.\"",
    ],
    &[
        "\"Then help me,\" {some replied} {name}[| {some manner}]. So {name2} carried the {look} {can} every \
         {part}, and {name} pulled the weeds.",
        "{name} thought of {his} {relative}, who had once been hungry too. \"You may have one row,\" {he} \
         said, \"if you carry the {look} {can} each {part}.\"",
    ],
    &[
        "\nIn autumn, the {crop} were [huge|ripe|sweet|ready]. They made [soup|stew|a pie] with {some herb} \
         and {some food}, and invited {name3} the {trait3} {kind3}. Nobody [stole|was hungry] any more.",
        "\nBy the end of summer, there were so many {crop} that they sold {some many} sacks {some beside} \
         the {land}. {name2} bought a {some look} {some thing}, and {name} bought a new {can}.",
    ],
];

/// The hero practices until the music is good.
pub(super) const MUSIC: Plot = &[
    &[
        "\nMore than anything, {name} wanted to play the {instrument} at the {feast} {some beside} the {some \
         scene} {land2}.",
        "\n{Some when}, {name} found a {look} {instrument} {nook}. \"I will play it at the {feast} on \
         {day},\" {he} {some said}[| {some manner}].",
    ],
    &[
        "But the {instrument} sounded like a {some animal} [with a cold|in a bucket|in the {weather}|chasing \
         a {some animal}]. The {trade} laughed, and the {trade2} [closed the window|ran away {some way}].",
        "{He} tried all {part}, but it was terrible. {Some few} {some flock} [ran away|hid|cried], and {his} \
         {relative} asked {him} to stop.",
    ],
    &[
        "{name} felt {some sad}. {He} put the {instrument} {nook} and [went outside|sat down {spot}|ate some \
         {some food}].",
        "\"I will never learn it,\" {some said} {name}[| {some manner}], and [hid|left] the {instrument} \
         {nook}.",
    ],
    &[
        "{name2}, a {trait2} {kind2}, had heard {him}. \"I was [worse|just as bad] once,\" {he2} {some \
         said}[| {some manner}]. \"Play one song every {part} for {few} weeks.\"",
        "\"Where is the {instrument}?\" {some said} {name2} the {trait2} {kind2}, who lived {some beside} \
         the {land}. \"You need {few} weeks and [one song|a good teacher], that is all.\"",
    ],
    &[
        "So {name} took the {instrument} from its place {nook} and practiced for {few} weeks, in the \
         {weather}, {spot}, and even at night. {some aside}",
        "For {few} weeks they met {spot}. {name2} [listened|clapped|counted] {some manner}, and {name} \
         played a song about {some sight}.",
    ],
    &[
        "\nOn {day}, {he} stood up at the {feast} and played the {instrument} {some manner}. Nobody laughed. \
         {name2} was so {some glad} that {he2} [danced|cried|threw a {some thing} into the air].",
        "\nAt the {feast}, {name} played until [midnight|dark]. \"Who taught you?\" {some said} {name3} the \
         {trait3} {kind3}. \"{name2} did,\" {some replied} {name}[| {some manner}], \"and {few} weeks of \
         work.\"",
    ],
];

/// Three give what they have, and it becomes a soup.
pub(super) const SOUP: Plot = &[
    &[
        "\n{Some when}, {name} wanted to cook soup for the {feast}, but there was nothing in the house \
         except a {look} pot.",
        "\nThe {feast} was on {day}, and {name} had promised soup for {many} guests. But {his} {look} pot \
         was empty.",
    ],
    &[
        "{He} {some went} {some way} to {name2} the {trait2} {kind2}, who [gave|sold|lent] {him} some \
         {crop}. \"{some hello},\" {some said} {name3} the {trait3} {kind3}. \"Take my {crop2} too.\"",
        "First {he} met {name2}, a {trait2} {kind2}, who had {some few} {crop}. {Some later} {he} met \
         {name3}, a {trait3} {kind3}, who had {some few} {crop2}.",
    ],
    &[
        "{some aside} And {spot}, {he} found {some few} {crop3}.",
        "At the {some scene} {land2}, {he} [picked|dug up|bought] {crop3} and filled a {some color} bag with \
         them.",
    ],
    &[
        "Into the {look} pot went the {crop}, then the {crop2}, and last of all the {crop3}. The soup cooked \
         for {few} hours and smelled of {some scent}.",
        "{name} [washed|peeled|cut] the {crop} from {name2}, the {crop2} from {name3}, and the {crop3}. \
         Everything went into the {look} pot for {few} hours.",
    ],
    &[
        "\"It needs {herb},\" {some said} {name2}[| {some manner}]. \"No, it needs {herb2},\" {some replied} \
         {name3}[| {some manner}]. So {name} put in {herb} and {herb2}.",
        "{name2} tasted it {some manner}. \"It needs {herb},\" {he2} said {some manner}. {name} added the \
         {herb}, and it was [perfect|delicious|much better].",
    ],
    &[
        "\n{Many} guests came to the {feast} and ate from {some color} bowls, [even a {some trade}|and so \
         did {some sight}]. In the end, the {look} pot was empty again.",
        "\n\"Who made this soup?\" {some said} a {some trade} at the {feast}. \"{name2} gave the {crop}, \
         {name3} gave the {crop2}, and I gave the pot,\" {some replied} {name}[| {some manner}].",
    ],
];
