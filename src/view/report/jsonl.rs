//! The results of an eval, one JSON object per line.

use std::io::{self, Write};

use serde_json::{Map, Value, json};

use super::EvalRun;
use super::json::result_json;

pub(super) fn write(runs: &[EvalRun<'_>], out: &mut dyn Write) -> io::Result<()> {
    for run in runs {
        for (summary, results) in run.subjects() {
            for result in results {
                let mut line = Map::from_iter([
                    ("set".to_owned(), json!(run.set.name)),
                    ("run".to_owned(), json!(run.id)),
                ]);
                if let Value::Object(fields) = result_json(&summary.subject, result) {
                    line.extend(fields);
                }
                serde_json::to_writer(&mut *out, &line)?;
                out.write_all(b"\n")?;
            }
        }
    }
    Ok(())
}
