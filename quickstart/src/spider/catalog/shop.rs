//! Brands, their products, and who bought them.

use super::common::{AGE, FOUNDING_YEAR, HOME_CITY, HOME_COUNTRY, NAME, PERSON, PRICE};
use crate::spider::plan::{
    CategoryPlan, DatabasePlan, LabelPlan, MeasurePlan, Names, ReferencePlan, Scale, TablePlan, noun,
};
use crate::spider::words::{BRANDS, PRODUCT_QUALITIES, PRODUCT_THINGS};

pub(super) const DATABASE: DatabasePlan = DatabasePlan { id: "shop", tables: &[BRAND, PRODUCT, CUSTOMER] };

const BRAND: TablePlan = TablePlan {
    name: "brand",
    noun: noun("brand", "brands"),
    rows: 12,
    label: LabelPlan { name: "name", noun: NAME, names: Names::One(BRANDS) },
    categories: &[CategoryPlan { is: ["from {}", "that come from {}"], ..HOME_COUNTRY }],
    measures: &[FOUNDING_YEAR],
    references: &[],
};

const PRODUCT: TablePlan = TablePlan {
    name: "product",
    noun: noun("product", "products"),
    rows: 36,
    label: LabelPlan { name: "name", noun: NAME, names: Names::Two(PRODUCT_QUALITIES, PRODUCT_THINGS) },
    categories: &[CATEGORY, COLOUR],
    measures: &[PRICE, STOCK],
    references: &[MADE_BY],
};

const CATEGORY: CategoryPlan = CategoryPlan {
    name: "category",
    noun: noun("category", "categories"),
    values: &["kitchen", "garden", "office", "sport"],
    is: ["in the {} category", "that belong to the {} category"],
    is_not: "not in the {} category",
};

const COLOUR: CategoryPlan = CategoryPlan {
    name: "colour",
    noun: noun("colour", "colours"),
    values: &["red", "blue", "green", "black", "white"],
    is: ["in {}", "that are {}"],
    is_not: "that are not {}",
};

const STOCK: MeasurePlan = MeasurePlan {
    name: "stock",
    noun: noun("stock", "stocks"),
    range: (0, 200),
    step: 5,
    scale: Scale::Count,
    is: ["with {} pieces in stock", "that have {} pieces in stock"],
    superlatives: None,
    adds_up: true,
};

const MADE_BY: ReferencePlan = ReferencePlan {
    name: "brand_id",
    parent: 0,
    child_of: ["by {}", "that are made by {}"],
    parent_of: &["of {}", "behind {}"],
    which: "makes {}",
};

const CUSTOMER: TablePlan = TablePlan {
    name: "customer",
    noun: noun("customer", "customers"),
    rows: 30,
    label: PERSON,
    categories: &[HOME_CITY],
    measures: &[AGE],
    references: &[BOUGHT],
};

const BOUGHT: ReferencePlan = ReferencePlan {
    name: "product_id",
    parent: 1,
    child_of: ["buying {}", "who bought {}"],
    parent_of: &["bought by {}"],
    which: "was bought by {}",
};
