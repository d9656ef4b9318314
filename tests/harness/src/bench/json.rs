//! The measurements as JSON for programs.

use super::measured::Measured;
use super::operations::Sources;
use anyhow::Result;
use serde_json::{Map, Value, json};

/// An object with `operations` and where the figures of others come from.
pub(crate) fn text(measured: &[Measured<'_>], sources: &Sources) -> Result<String> {
    let operations: Vec<Value> = measured.iter().map(operation).collect();
    let sources = json!({ "sel4": sources.sel4, "linux": sources.linux });
    let all = json!({ "unit": "guest instructions", "sources": sources, "operations": operations });
    Ok(serde_json::to_string_pretty(&all)? + "\n")
}

/// One operation; what there is no figure for has no key.
fn operation(measured: &Measured<'_>) -> Value {
    let operation = measured.operation;
    let mut object = Map::new();
    let mut set = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            object.insert(key.to_owned(), value);
        }
    };
    set("name", Some(json!(operation.name)));
    set("meaning", Some(json!(operation.meaning)));
    set("instructions", measured.instructions().map(|figure| json!(figure)));
    set("samples", Some(json!(measured.samples)));
    for (name, figure) in [("sel4", operation.sel4), ("linux", operation.linux), ("aim", operation.aim)] {
        set(name, figure.map(|figure| json!(figure)));
        set(&format!("ratio_{name}"), measured.ratio(figure).map(|ratio| json!(ratio)));
    }
    Value::Object(object)
}

#[cfg(test)]
mod tests {
    use super::super::measured::tests::operation;
    use super::*;

    #[test]
    fn an_operation_is_an_object() {
        let (map, boot) = (operation("kernel.map", Some(1000), Some(4000), None), operation("boot", None, None, None));
        let measured = [
            Measured { operation: &map, samples: vec![500.0, 500.0] },
            Measured { operation: &boot, samples: vec![7.0, 7.0] },
        ];
        let sources = Sources { sel4: "one".into(), linux: "another".into() };
        let all: Value = serde_json::from_str(&text(&measured, &sources).expect("is written")).expect("is JSON");
        let wanted = json!({
            "name": "kernel.map", "meaning": "meaning of kernel.map", "instructions": 500.0, "samples": [500.0, 500.0],
            "sel4": 1000, "ratio_sel4": 0.5, "linux": 4000, "ratio_linux": 0.125,
        });
        assert_eq!(all["operations"][0], wanted);
        assert_eq!(all["operations"][1].as_object().map(|o| o.contains_key("sel4")), Some(false));
        assert_eq!(all["sources"]["sel4"], "one");
    }
}
