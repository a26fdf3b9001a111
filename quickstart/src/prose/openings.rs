//! First sentences, for all plots.

/// They introduce the hero.
pub(super) const OPENINGS: &[&str] = &[
    "[Once upon a time|Long ago|Once|Many years ago|In the old days], [there was|there lived] a {trait} \
     {kind} named {name}. {He} lived in a {size} {house} {some beside} the {some scene} {land}[| and loved \
     {some food}].{some more}",
    "In a {size} {house} {some beside} the {some scene} {land} lived a {trait} {kind} [named|called] {name}[|\
     , who owned {some few} {some flock}].{some more}",
    "{name} was a {trait} {kind} with a [warm|loud|soft|small|deep|high|low] voice. {His} {house} stood \
     {some beside} the {some scene} {land}, [next to|behind|beside] a {some old} {some building}.{some more}",
    "[Everyone|Everybody] {some beside} the {some scene} {land} knew {name}, the {trait} {kind}. {He} [lived|\
     slept|worked] in a {size} {house} [and kept {some few} {some flock}|that smelled of {some scent}|and \
     liked to cook {some food}].{some more}",
    "{name} the {kind} was [known|famous] for being {trait}. [Every {some part}|Each {some day}|All year \
     long], {he} sat in {his} {house} {some beside} the {some scene} {land} and [baked {some food}|mended a \
     {some thing}|dreamed of {some sight}|drank {some drink}|read a book about {some sight}].{some more}",
    "This is the story of {name}, a {trait} {kind} who lived {some beside} the {some scene} {land} with \
     {his} {some relative} and {some few} {some flock}.{some more}",
];
