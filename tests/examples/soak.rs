//! Judges the readings of a [long run](velo_tests::soak) again, and draws them.
//!
//! ```text
//! cargo run -p velo-tests --example soak -- TABLE CHART
//! ```

use anyhow::{Context, bail};
use std::{env, fs, path::Path};
use velo_tests::soak::{
    chart,
    readings::{self, Verdict},
};

fn main() -> anyhow::Result<()> {
    let args: Vec<_> = env::args().skip(1).collect();
    let [table, chart] = &args[..] else { bail!("say where the table is and where the chart goes") };
    let text = fs::read_to_string(table).with_context(|| format!("reading {table}"))?;
    let readings = readings::from_csv(&text)?;
    chart::draw(&readings, Path::new(chart))?;
    let verdict = Verdict::of(&readings)?;
    println!("{verdict}");
    verdict.check()
}
