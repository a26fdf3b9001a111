//! Names and things. The plurals of all things are regular.

use crate::scene::List;

pub(super) const LISTS: &[List] = &[
    ("her name", "Anna|Maria|Lucy|Emma|Nora|Olivia|Grace|Sofia|Ruby|Ella|Kate|Jane|Mia|Zoe|Alice|Clara"),
    ("his name", "Ben|Tom|Sam|Jack|Leo|Max|Noah|Paul|Carl|David|Henry|Oscar|Peter|Adam|Luke|James"),
    ("toy", "marble|sticker|toy car|balloon|puzzle|doll|kite|coin|stamp|shell|bead|button|card|robot"),
    ("fruit", "apple|pear|orange|plum|peach|lemon|banana|strawberry|cherry|melon|fig|grape"),
    ("vegetable", "carrot|onion|potato|tomato|pepper|radish|cabbage|pumpkin|turnip|bean"),
    ("flower", "rose|tulip|daisy|lily|sunflower|orchid|violet|poppy"),
    ("cake", "cookie|muffin|cupcake|brownie|pie|bagel|roll|tart|pancake|donut|waffle"),
    ("item", "pencil|pen|notebook|eraser|crayon|marker|folder|ruler|brush|candle|cup|plate"),
    ("gift", "book|hat|scarf|game|lamp|bike|drum|jacket|backpack|camera|guitar|clock|tent|watch"),
    ("animal", "cow|goat|hen|duck|horse|pig|rabbit|chicken|donkey"),
    ("holder", "box|bag|basket|crate|jar|tray|bowl"),
    ("pack", "box|bag|pack|case|crate|carton"),
    ("guest", "friend|neighbor|cousin|classmate|teammate"),
    ("ride", "train|bus|boat|truck|ferry|van"),
    (
        "job",
        "mowing lawns|walking dogs|washing cars|babysitting|painting fences|raking leaves|teaching piano",
    ),
    ("shop", "store|market|fair|mall|shop"),
];
