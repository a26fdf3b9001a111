//! Phrases and sentences of the stories.

use crate::scene::List;

pub(super) const LISTS: &[List] = &[
    // How things are done.
    (
        "went",
        "walked|ran|hurried|wandered|hopped|strolled|marched|skipped|raced|trotted|rushed|crept|danced|\
         stumbled|rode|limped|climbed|sneaked",
    ),
    (
        "ground",
        "narrow|winding|dusty|muddy|stony|steep|grassy|sandy|quiet|shady|crooked|lonely|long|slippery|bumpy|\
         broad|dark|icy|busy|empty",
    ),
    (
        "way",
        "along the {some ground} [path|road|lane|track|trail]|across the {some ground} [field|bridge|yard|\
         square]|through the [tall|wet|dry|green|soft|thick] [grass|reeds|ferns|leaves|bushes]|past the \
         {some old} {some building}|up the {some ground} [hill|slope|ridge]|down the {some ground} [hill|\
         slope|street]|between the [tall|dark|young|thin|bare] {some tree} trees|over the {some ground} \
         [bridge|hills|rocks]|around the {some old} {some building}|out of the {weather}|with {some few} \
         {some flock}",
    ),
    (
        "manner",
        "slowly|quickly|quietly|softly|carefully|gently|eagerly|bravely|politely|proudly|calmly|kindly|\
         warmly|loudly|sadly|shyly|firmly|nervously|happily|suddenly|at last|coldly|angrily|sweetly|\
         seriously|without a word|as usual|with a [smile|sigh|frown|yawn|grin]|in a hurry",
    ),
    ("said", "said|whispered|called|cried|murmured|shouted|mumbled|sighed|sang|yelled|muttered"),
    ("replied", "replied|answered|said|laughed|explained|declared|grumbled|whispered|admitted|snapped"),
    (
        "glad",
        "happy|glad|proud|pleased|cheerful|delighted|thankful|calm|excited|content|joyful|relieved|lucky|\
         surprised",
    ),
    (
        "sad",
        "sad|worried|upset|lonely|afraid|sorry|tired|gloomy|unhappy|nervous|miserable|ashamed|disappointed|\
         angry|hungry|cold|confused|jealous|bored|restless|guilty|weak|sick",
    ),
    ("well", "well|hard|very hard|better than my last helper|more than enough|like {some few} {some flock}"),
    ("tune", "slow|silly|sad|quiet|long|new|old|short|lovely|funny|strange|loud|merry|foreign"),
    (
        "thanks",
        "Thank you so much|Thank you, dear friend|How kind of you|You are a true friend|I will never forget \
         this|You have made me so {some glad}|I do not know what to say|Nobody has ever been so good to me|\
         What would I do without you|You are a {some trait} {kind}|A thousand thanks|May you always have \
         {some food}",
    ),
    (
        "hello",
        "Good {part}|Hello there|Welcome|How do you do|What a {sky} day|Well, well|Excuse me|Dear me|Hello, \
         stranger|Look who is here|You look {some sad}|You look {some glad}|What a {some look} {some thing}|\
         What a fine {part}",
    ),
    (
        "habit",
        "{He} [owned|loved|painted|sold] a {some look} {some thing}, a {some look} {some thing} and {some \
         few} {some flock}.|{He} was afraid of {some sight}, but {he} [loved|liked|cooked] {some taste} \
         {some food} and {some food}.|{His} {some relative} was a {some trait} {some trade} who [dreamed of|\
         looked for|often spoke of] {some sight}.|{He} [never|always|often|seldom] {some went} {some way}, \
         for {he} was [afraid of|fond of|looking for] {some flock}.|Every {some day}, {he} [ate|cooked|\
         shared|sold] {some taste} {some food} and {some food}.|{His} [best friend|neighbor|teacher|worst \
         enemy] was a {some trait} {some animal} with a {some look} {some thing}.|{He} was [always|often|\
         never] {some sad} in {some season} and {some glad} in {some season}.",
    ),
    ("more", "| {some habit}| {some habit}"),
    // What else there is to see, hear and smell.
    (
        "scent",
        "smoke|{some food}|{some drink}|{some herb}|pine|hay|roses|wool|mud|lavender|soap|wet leaves|old \
         books|paint|the sea|honey|fire",
    ),
    (
        "sound",
        "scratching|tapping|humming|squeaking|rustling|whistling|rattling|snoring|bumping|sniffing|ringing|\
         splashing|chewing",
    ),
    (
        "doing",
        "singing|fishing|dancing|arguing|eating {some food}|playing cards|sleeping|digging|reading|smoking|\
         praying|laughing|counting {some flock}|drinking {some drink}",
    ),
    (
        "sight",
        "a {some trait} {some animal}|a {some animal} with a [long|short|bushy|dirty|curly|{some color}] \
         [tail|nose|beard|coat]|a [cart|wagon|barrel|sack] full of {some crop}|{some few} {some color} {some \
         flock}|a {some old} {some building}|{some few} [children|sailors|farmers|soldiers|monks|nuns|women|\
         men] {some doing}|a cloud shaped like a {some thing}|a {some animal} {some doing} {some spot}|a \
         {some trade} [carrying|selling|washing|painting|mending|hiding] a {some look} {some thing}|a {some \
         color} [flag|door|boat|flower|feather|roof|tent]|the tracks of a {some animal}|a {some look} {some \
         thing} {some spot}|a {some trait} {some trade} and a {some animal}",
    ),
    (
        "aside",
        "On the way, {he} [saw|passed|noticed|met|counted] {some sight}[| and {some sight}].|The air smelled \
         of {some scent} and {some scent}.|{His} [feet|legs|hands|ears|eyes] were [cold|tired|wet|sore|\
         dusty], but {he} did not [stop|complain|turn back|mind|slow down].|{He} [hummed|whistled|sang] a \
         {some tune} song about {some sight}.|[Far away|Nearby|Somewhere], a {some animal} was [singing|\
         calling|barking|crying|laughing|snoring].|{He} thought about {some food} and [kept going|felt {some \
         sad}|smiled|felt {some glad}].|A {some trait} {some animal} [looked at {him} {some manner}|ran away \
         {some way}|followed {him} for a while|wished {him} luck].|There was nobody [around|in sight|to be \
         seen] except {some sight}.|In the {weather}, everything looked [gray|strange|new|bright|smaller|\
         different|beautiful|far away].|{Some spot}, {he} saw {some sight}.|\"{some hello},\" {some said} a \
         {some trait} {some trade}.|Nobody [noticed|wanted|knew|feared] {some sight}.|{Some few} {some \
         flock} {some went} {some way}.|{He} [ate|bought|lost|dropped] some {some food} and [drank|spilled|\
         smelled] some {some drink}.|{He} remembered {some sight}, and {his} {some relative}, who was always \
         {some trait}.|A {some trade} was {some doing} {some spot}.|It [began|stopped] to [snow|rain|thunder|\
         get dark|smell of {some scent}], or so it seemed.|{He} felt {some sad} and {some glad} at the same \
         time.",
    ),
];
