use serde_json::Value;
use types::ToolSpec;

use super::{LANGUAGES, code_argument};

/// How to call tools, and which there are; for the end of what the model is told of itself.
pub(super) fn instructions(tools: &[ToolSpec]) -> String {
    let list: Vec<_> = tools.iter().map(tool).collect();
    format!("{HOW}{}\nTools:\n{}\n", shortcuts(tools), list.join("\n"))
}

const HOW: &str = r#"# Calling tools
To act, call a tool: end your answer with exactly one block like this, and write nothing after it.
```json
{"tool": "NAME", "arguments": {"ARGUMENT": "VALUE"}}
```
One call per answer. Its result comes in the next message; never write a result yourself.
"#;

/// The form that is expected, to end a complaint with.
pub(super) const EXPECTED: &str = "Write one block:\n```json\n{\"tool\": \"NAME\", \
                                   \"arguments\": {\"ARGUMENT\": \"VALUE\"}}\n```";

fn shortcuts(tools: &[ToolSpec]) -> String {
    let short = LANGUAGES.iter().filter_map(|(name, languages)| {
        let tool = tools.iter().find(|tool| tool.name == *name)?;
        let argument = code_argument(tool)?;
        let language = languages.first()?;
        Some(format!("A ```{language} block alone calls `{name}` with it as `{argument}`.\n"))
    });
    short.collect()
}

/// `- name(argument: type, optional?: type): what it does`, then what is said of arguments.
fn tool(tool: &ToolSpec) -> String {
    let properties = tool.parameters["properties"].as_object();
    let properties: Vec<_> = properties.into_iter().flatten().collect();
    let arguments: Vec<_> =
        properties.iter().map(|(name, schema)| argument(&tool.parameters, name, schema)).collect();
    let notes = properties.iter().filter_map(|(name, schema)| {
        Some(format!("\n  {name}: {}", schema["description"].as_str()?))
    });
    let notes: String = notes.collect();
    format!("- {}({}): {}{notes}", tool.name, arguments.join(", "), tool.description)
}

fn argument(parameters: &Value, name: &str, schema: &Value) -> String {
    let required = parameters["required"].as_array();
    let is_required = required.is_some_and(|names| names.iter().any(|one| one == name));
    format!("{name}{}: {}", if is_required { "" } else { "?" }, kind(schema))
}

/// A schema in a few characters: `string`, `"a" | "b"`, `[{path: string, mode?: integer}]`.
fn kind(schema: &Value) -> String {
    let any = |list: &[Value], each: fn(&Value) -> String| {
        list.iter().map(each).collect::<Vec<_>>().join(" | ")
    };
    if let Some(values) = schema["enum"].as_array() {
        return any(values, Value::to_string);
    }
    if let Some(schemas) = schema["anyOf"].as_array().or_else(|| schema["oneOf"].as_array()) {
        return any(schemas, kind);
    }
    match (&schema["type"], schema["properties"].as_object()) {
        (Value::String(name), _) if name == "array" => format!("[{}]", kind(&schema["items"])),
        (_, Some(fields)) => {
            let fields = fields.iter().map(|(name, field)| argument(schema, name, field));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
        }
        (Value::String(name), None) => name.clone(),
        (Value::Array(names), None) => any(names, |name| name.as_str().unwrap_or("any").to_owned()),
        _ => "any".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_tool_in_words() {
        let parameters = json!({
            "type": "object",
            "properties": {
                "cmd": {"type": "string"},
                "mode": {"enum": ["a", "b"], "description": "how"},
                "files": {"type": "array", "items": {
                    "type": "object",
                    "properties": {"path": {"type": "string"}, "size": {"type": ["integer", "null"]}},
                    "required": ["path"],
                }},
            },
            "required": ["cmd"],
        });
        let spec = ToolSpec { name: "shell".into(), description: "Runs.".into(), parameters };
        let told = instructions(&[spec]);
        assert!(told.contains(
            "- shell(cmd: string, files?: [{path: string, size?: integer | null}], \
             mode?: \"a\" | \"b\"): Runs.\n  mode: how\n"
        ));
        assert!(told.contains("A ```bash block alone calls `shell` with it as `cmd`."));
    }
}
