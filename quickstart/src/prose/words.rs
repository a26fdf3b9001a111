//! Words of the stories.

use crate::scene::List;

/// The weather as an adjective, as what one walks through, and the seasons that have it.
pub(super) const WEATHERS: &[[&str; 3]] = &[
    ["rainy", "rain", "spring"],
    ["rainy", "rain", "autumn"],
    ["windy", "wind", "autumn"],
    ["windy", "wind", "spring"],
    ["snowy", "snow", "winter"],
    ["frosty", "frost", "winter"],
    ["foggy", "fog", "autumn"],
    ["misty", "mist", "spring"],
    ["stormy", "storm", "summer"],
    ["hot", "heat", "summer"],
    ["sunny", "sunshine", "summer"],
    ["sunny", "sunshine", "spring"],
];

pub(super) const LISTS: &[List] = &[
    // Characters.
    (
        "her name",
        "Anna|Lucy|Mia|Nora|Ruby|Ella|Clara|Daisy|Hazel|Ivy|Molly|Rosa|Tilda|Greta|Wendy|Martha|Penny|Stella|\
         Bella|Juno|Flora|Maggie|Emma|Alice|Sally|Betty|Dora|Holly|Kitty|Susan",
    ),
    (
        "his name",
        "Tom|Ben|Sam|Max|Leo|Oscar|Felix|Hugo|Jasper|Otto|Toby|Finn|Rufus|Milo|Bruno|Walter|Albert|Casper|\
         Ned|Barney|Louis|Simon|Theo|Victor|Andy|Fred|George|Henry|Jack|Paul",
    ),
    ("her kind", "{some animal}|{some animal}|{some animal}|{some trade}|{some trade}|girl"),
    ("his kind", "{some animal}|{some animal}|{some animal}|{some trade}|{some trade}|boy"),
    (
        "animal",
        "fox|rabbit|mouse|bear|owl|badger|hedgehog|squirrel|otter|cat|dog|goat|frog|beaver|mole|deer|turtle|\
         duck|goose|raven|pony|donkey|raccoon|wolf|lamb|heron|pig|sparrow|camel|monkey|parrot|swan|weasel|\
         toad|hen|crow|seal|rat",
    ),
    (
        "trade",
        "baker|farmer|tailor|sailor|teacher|painter|shepherd|gardener|carpenter|miller|fisher|doctor|weaver|\
         potter|singer|cook|hunter|clown|soldier|nurse|writer|driver|dancer|captain|merchant|guard",
    ),
    (
        "trait",
        "kind|brave|curious|shy|clever|cheerful|gentle|lazy|proud|stubborn|careful|patient|loyal|quiet|\
         friendly|grumpy|polite|lonely|silly|thoughtful|eager|restless|merry|dreamy|forgetful|hopeful|noisy|\
         generous|bold|wise|young|old|tired|greedy|nervous|playful|serious|strong|helpful|famous|poor|rich",
    ),
    (
        "flock",
        "hens|chickens|geese|sheep|cows|cats|kittens|ducks|goats|rabbits|mice|chicks|horses|pigeons|puppies|\
         bees|pigs|frogs",
    ),
    ("beast", "ghost|giant|monster|dragon|witch|thief|troll|goblin|pirate|wizard|robber|lion"),
    ("limb", "foot|leg|arm|hand|knee|ankle|elbow|wrist|paw|toe|shoulder|thumb"),
    ("relative", "mother|father|grandmother|grandfather|aunt|uncle|sister|brother|cousin"),
    // Things.
    (
        "thing",
        "ball|kite|drum|lantern|scarf|hat|basket|bell|book|whistle|umbrella|ring|button|key|clock|cup|doll|\
         flute|mirror|blanket|box|coat|spoon|teapot|bucket|bag|candle|feather|necklace|marble|mitten|cap|\
         ribbon|stone|puppet|jar|vase|comb|brush|pillow|sled|compass|crown|purse|shell|coin|lamp|watch|chain|\
         carpet|saddle|helmet|sword|cushion|kettle|bowl|plate|knife|fork|needle|mask|wheel|violin|shirt|belt|\
         boot|bottle|tray|letter|toy",
    ),
    (
        "look",
        "red|blue|green|yellow|orange|purple|pink|white|black|brown|gray|silver|golden|striped|spotted|\
         painted|shiny|heavy|soft|smooth|tiny|round|plain|lovely|dirty|clean|ugly|pretty|thin|thick|rough|\
         crooked|square|bright|pale|faded|old|new|foreign|expensive|magic|patched|giant|simple",
    ),
    ("color", "red|blue|green|yellow|purple|pink|white|black|brown|gray|silver|golden"),
    ("tool", "rope|ladder|stick|pole|saw|hook|net|hammer|plank|broom|crowbar|chain"),
    ("spade", "shovel|spade|hoe|pick|rake"),
    ("can", "can|bucket|jug|kettle|pitcher|bottle|pail"),
    ("case", "bag|box|basket|drawer|pocket|shelf|jar|barrel|sack|cupboard"),
    ("instrument", "flute|drum|fiddle|horn|harp|trumpet|guitar|piano|banjo|organ"),
    (
        "prize",
        "{some color} [cup|ribbon|flag|star]|basket of {some food}|[sack|bag|box] of {some crop}|[new|silver|\
         painted] {some thing}",
    ),
    // Food.
    (
        "food",
        "bread|soup|honey|cheese|jam|porridge|stew|cake|nuts|pears|cookies|rice|noodles|pancakes|butter|figs|\
         cherries|pie|dumplings|raisins|plums|toast|grapes|muffins|waffles|berries|sausages|ham|fish|eggs|\
         cream|pudding|apples|salad|bacon|peaches",
    ),
    (
        "taste",
        "warm|fresh|sweet|sour|hot|cold|good|burned|dry|leftover|homemade|salty|creamy|soft|excellent|simple",
    ),
    ("drink", "milk|tea|lemonade|cider|cocoa|juice|water|coffee|soda|broth|syrup"),
    (
        "crop",
        "beans|carrots|pumpkins|turnips|peas|onions|tomatoes|cabbages|melons|radishes|leeks|potatoes|\
         mushrooms|peppers|beets|lemons|corn|wheat",
    ),
    ("herb", "salt|pepper|mint|parsley|garlic|thyme|ginger|basil|sugar|mustard"),
    // Places.
    (
        "land",
        "forest|river|lake|meadow|hill|village|valley|mill|orchard|beach|harbor|bridge|pond|field|farm|\
         castle|stream|cave|mountain|well|inn|lighthouse|market|marsh|canal|quarry|island|waterfall|station|\
         swamp|desert|cliff|park|palace|mine|library|theater|tunnel",
    ),
    (
        "scene",
        "quiet|windy|misty|dark|green|wild|famous|lonely|old|great|little|silent|hidden|distant|gray|noisy|\
         golden|cold|empty|northern|southern|eastern|western|peaceful|busy|strange",
    ),
    ("beside", "near|by|behind|beside|close to|next to"),
    (
        "size",
        "little|tiny|small|big|large|tall|narrow|huge|cozy|tidy|crooked|round|plain|low|dark|bright|square|\
         messy",
    ),
    (
        "house",
        "cottage|cabin|hut|house|tower|tent|barn|wagon|boat|shed|tree house|windmill|den|nest|castle|room|\
         cellar|attic",
    ),
    ("under", "under|behind|beside|near|next to"),
    (
        "worn",
        "old|broken|wooden|mossy|fallen|hollow|dusty|low|wide|rusty|faded|empty|crumbling|forgotten|rotten|\
         painted|tall|leaning|burned|narrow|sunken|gray|stone",
    ),
    ("spot", "{some under} the {some worn} {some object}"),
    (
        "object",
        "bench|ladder|barrel|hedge|cart|fence|wall|stump|bush|crate|rock|log|gate|pump|trough|haystack|\
         rosebush|signpost|beehive|rowboat|plow|fountain|woodpile|wheelbarrow|anchor|swing|sundial|scarecrow|\
         tomb|chimney|milestone|cannon|pipe|bell|staircase|carriage|shrine|{some tree} tree|{some tree} tree",
    ),
    (
        "nook",
        "[under|behind|beside|on|near] the {some worn2} [stove|shelf|cupboard|bed|table|armchair|clock|piano|\
         chest|dresser|sofa|bookcase|desk|trunk|stool|oven|cradle|counter|fireplace|sink|bathtub|wardrobe|\
         workbench|spinning wheel]",
    ),
    (
        "worn2",
        "old|wooden|dusty|low|wide|kitchen|heavy|blue|green|white|squeaky|scratched|oak|iron|big|little|\
         polished|brown|yellow|wobbly|narrow|marble|broken|carved",
    ),
    ("tree", "oak|pine|willow|birch|elm|maple|cedar|poplar|chestnut|fir|palm|apple|pear|cherry"),
    (
        "building",
        "barn|mill|church|tower|inn|stable|shed|chapel|school|bakery|castle|windmill|cottage|fort|temple|\
         prison|museum|hospital|factory|bank",
    ),
    (
        "old",
        "old|ancient|new|crooked|empty|abandoned|sleepy|tiny|leaning|lonely|silent|painted|ruined|noisy|\
         famous|haunted|burned|dark|red|white|gray|proud|round",
    ),
    // Time and numbers.
    ("part", "morning|afternoon|evening"),
    ("day", "Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday"),
    ("season", "spring|summer|autumn|winter"),
    ("few", "three|four|five|six"),
    ("many", "seven|eight|nine|ten|eleven|twelve|twenty|thirty|forty|fifty"),
    ("feast", "fair|feast|parade|dance|wedding|picnic|concert|festival|market|carnival"),
    (
        "when",
        "one {sky} {part}|one {part} in {season}|on a {sky} {part} in {season}|early one {sky} {part}|late \
         one {part}|one {sky} day|one day in {season}|on a {sky} {day}|last {season}|one {day} {part}|not \
         long ago|a few [days|weeks|years] ago",
    ),
    (
        "later",
        "then|next|after that|soon|at last|finally|in the end|suddenly|a little later|to {his} surprise",
    ),
];
