//! Rows from a seed.

use super::plan::{CategoryPlan, DatabasePlan, LabelPlan, MeasurePlan, Names, ReferencePlan, TablePlan};
use super::schema::{Category, Database, Label, Measure, Reference, Table, sizes};
use crate::pick::{pick, sample, shuffle};
use std::collections::BTreeSet;
use tacq_testkit::random::Random;

/// The first database's seed; the others follow.
pub(super) const SEED: u64 = 180_908_887;

/// A database with rows drawn from the seed.
pub(super) fn database(plan: &'static DatabasePlan, seed: u64) -> Database {
    let mut random = Random::new(seed);
    let mut names = BTreeSet::new();
    let mut tables: Vec<Table> = Vec::new();
    for plan in plan.tables {
        let table = table(&mut random, plan, &mut names, &tables);
        tables.push(table);
    }
    Database { id: plan.id, tables }
}

fn table(
    random: &mut Random,
    plan: &'static TablePlan,
    names: &mut BTreeSet<String>,
    parents: &[Table],
) -> Table {
    let n = plan.rows;
    Table {
        plan,
        label: label(random, &plan.label, n, names),
        categories: plan.categories.iter().map(|plan| category(random, plan, n)).collect(),
        measures: plan.measures.iter().map(|plan| measure(random, plan, n)).collect(),
        references: plan
            .references
            .iter()
            .map(|plan| reference(random, plan, n, parents[plan.parent].n_rows()))
            .collect(),
    }
}

/// Names that no row of the database has yet.
fn label(random: &mut Random, plan: &'static LabelPlan, n: usize, names: &mut BTreeSet<String>) -> Label {
    let values = match plan.names {
        Names::One(list) => sample(random, list, n).into_iter().map(str::to_owned).collect(),
        Names::Two(first, second) => {
            let mut values = Vec::new();
            while values.len() < n {
                let name = format!("{} {}", pick(random, first), pick(random, second));
                if names.insert(name.clone()) {
                    values.push(name);
                }
            }
            values
        }
    };
    Label { plan, values }
}

fn category(random: &mut Random, plan: &'static CategoryPlan, n: usize) -> Category {
    Category { plan, values: skewed(random, plan.values, n) }
}

/// Numbers without ties where there are enough of them.
fn measure(random: &mut Random, plan: &'static MeasurePlan, n: usize) -> Measure {
    let (low, high) = plan.range;
    let all: Vec<i64> = (0..=(high - low) / plan.step).map(|i| low + i * plan.step).collect();
    let values =
        if all.len() < n { (0..n).map(|_| *pick(random, &all)).collect() } else { sample(random, &all, n) };
    Measure { plan, values }
}

/// Leaves a sixth of the parents without children, so that one can ask for them.
fn reference(random: &mut Random, plan: &'static ReferencePlan, n: usize, n_parents: usize) -> Reference {
    let mut parents: Vec<usize> = (0..n_parents).collect();
    shuffle(random, &mut parents);
    parents.truncate(n_parents - n_parents.div_ceil(6));
    Reference { plan, values: skewed(random, &parents, n) }
}

/// Items of which one is the most common, the earlier the more common.
fn skewed<T: Copy + Ord>(random: &mut Random, items: &[T], n: usize) -> Vec<T> {
    loop {
        let mut index = || random.below(items.len()).min(random.below(items.len()));
        let values: Vec<T> = (0..n).map(|_| items[index()]).collect();
        let mut sizes = sizes(&values);
        sizes.sort_unstable();
        // Else a question for the most common one would have two right answers.
        if !matches!(sizes[..], [.., second, largest] if second == largest) {
            return values;
        }
    }
}
