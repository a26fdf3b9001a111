//! What stands in the rows.

pub(super) const FIRST_NAMES: &[&str] = &[
    "Ada", "Ben", "Clara", "David", "Emma", "Felix", "Grace", "Henry", "Ida", "Jack", "Kate", "Leo", "Maria",
    "Noah", "Olive", "Paul", "Rosa", "Sam", "Tina", "Victor", "Anna", "Carl", "Lucy", "Oscar",
];

pub(super) const LAST_NAMES: &[&str] = &[
    "Hill", "Stone", "Wood", "Lake", "Ford", "King", "Bell", "Young", "Black", "Green", "Price", "Fox",
    "Hunt", "Cook", "Rose", "West", "Day", "Marsh", "Park", "Reed", "Shaw", "Gray", "Brook", "Lane",
];

pub(super) const CITIES: &[&str] = &["Paris", "Rome", "Oslo", "Cairo", "Lima", "Delhi", "Tokyo", "Boston"];

/// Where flights go; none of them starts there.
pub(super) const DESTINATIONS: &[&str] = &["Berlin", "Madrid", "Vienna", "Athens", "Dublin", "Sydney"];

pub(super) const COUNTRIES: &[&str] = &["France", "Italy", "Norway", "Egypt", "Peru", "India", "Japan"];

/// The beginnings of titles.
pub(super) const TITLE_QUALITIES: &[&str] = &[
    "Silent", "Golden", "Lost", "Last", "Dark", "Bright", "Hidden", "Broken", "Little", "Long", "Cold",
    "Secret", "Wild", "Old", "Blue", "Quiet",
];

/// The ends of titles.
pub(super) const TITLE_THINGS: &[&str] = &[
    "River", "Garden", "House", "Road", "Star", "Winter", "Island", "Song", "Night", "Forest", "City",
    "Letter", "Summer", "Door", "Ship", "Mountain",
];

/// The beginnings of names of products.
pub(super) const PRODUCT_QUALITIES: &[&str] =
    &["Soft", "Smart", "Classic", "Mini", "Royal", "Simple", "Magic"];

/// The ends of names of products.
pub(super) const PRODUCT_THINGS: &[&str] =
    &["Chair", "Lamp", "Clock", "Table", "Bag", "Cup", "Phone", "Radio", "Ball", "Knife"];

pub(super) const BRANDS: &[&str] = &[
    "Nova", "Orbit", "Pixel", "Zenith", "Lumen", "Vertex", "Apex", "Solar", "Prime", "Echo", "Atlas", "Comet",
];

pub(super) const ANIMALS: &[&str] = &[
    "Bella", "Max", "Luna", "Rocky", "Coco", "Simba", "Nala", "Milo", "Daisy", "Bruno", "Ruby", "Toby",
    "Zoe", "Jasper", "Lola", "Rex", "Kira", "Otto", "Pearl", "Shadow", "Honey", "Ginger", "Buddy", "Misty",
    "Lucky", "Ziggy", "Bear", "Poppy", "Sunny", "Peanut", "Cosmo", "Mango", "Pepper", "Willow", "Storm",
    "Hazel",
];

pub(super) const PLANES: &[&str] = &[
    "Falcon", "Eagle", "Swift", "Condor", "Hawk", "Heron", "Raven", "Crane", "Gull", "Swallow", "Osprey",
    "Pelican",
];

pub(super) const AIRLINE_CODES: &[&str] = &["AB", "CD", "EF"];

pub(super) const FLIGHT_NUMBERS: &[&str] = &[
    "104", "127", "153", "189", "210", "236", "275", "298", "341", "362", "387", "415", "450", "476", "493",
    "528", "549", "581", "607", "634",
];

pub(super) const TEAMS: &[&str] = &[
    "Red Lions",
    "Blue Eagles",
    "Green Wolves",
    "Black Bears",
    "White Hawks",
    "Golden Stars",
    "Silver Sharks",
    "Royal Kings",
    "City Rovers",
    "River Giants",
    "Wild Tigers",
    "North Rangers",
];
