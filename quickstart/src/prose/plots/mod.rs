//! What happens. A plot is a row of beats, and a beat has several wordings.

mod deeds;
mod friends;
mod search;
mod travel;

/// The beats of a story after its opening, each with its wordings. One that starts with a newline starts a paragraph.
pub(super) type Plot = &'static [&'static [&'static str]];

pub(super) const PLOTS: &[Plot] = &[
    search::LOST,
    search::MAP,
    search::NOISE,
    search::RESCUE,
    friends::BROKEN,
    friends::QUARREL,
    friends::NEIGHBOR,
    friends::SHELTER,
    deeds::GIFT,
    deeds::GARDEN,
    deeds::MUSIC,
    deeds::SOUP,
    travel::RACE,
    travel::HELP,
    travel::ERRAND,
    travel::SWAPS,
    travel::PICNIC,
];
