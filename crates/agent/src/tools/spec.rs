//! The tools as a model is told about them: one table, from which come the schemas, the checks of
//! what it sends, and what is expected where that was wrong.

use serde_json::{Map, Value, json};
use types::ToolSpec;

use super::desktop::{ACTIONS, DIRECTIONS};

use Kind::{Checks, Flag, Items, Number, OneOf, Text, Texts};

/// A tool's description.
#[derive(Debug)]
pub(super) struct Tool {
    pub(super) name: &'static str,
    about: &'static str,
    pub(super) fields: &'static [Field],
}

/// One of its arguments.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) required: bool,
    about: &'static str,
}

/// What an argument is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Number,
    Flag,
    Texts,
    /// Steps of a plan.
    Items,
    /// Commands that show that something holds.
    Checks,
    OneOf(&'static [&'static str]),
}

const fn need(name: &'static str, kind: Kind, about: &'static str) -> Field {
    Field { name, kind, required: true, about }
}

const fn may(name: &'static str, kind: Kind, about: &'static str) -> Field {
    Field { name, kind, required: false, about }
}

const TIMEOUT: Field = may("timeout_seconds", Number, "default 600, at most 3600");

/// Words for how far a step of a plan is.
pub(super) const STATES: &[&str] = &["open", "active", "done", "dropped"];

pub(super) const TOOLS: &[Tool] = &[
    Tool {
        name: "shell",
        about: "Run a bash script and wait for its end. Each call is a new `bash -eo pipefail`: it \
                stops at the first command that fails. Directory and exported variables carry over \
                to later calls. No terminal, no input. Everything it started is killed when it \
                ends: for servers use `background`.",
        fields: &[need("command", Text, "script, may have many lines"), TIMEOUT],
    },
    Tool {
        name: "python",
        about: "Run Python 3 code in the current directory. Variables do not carry over; print what \
                you want to see.",
        fields: &[need("code", Text, ""), TIMEOUT],
    },
    Tool {
        name: "typescript",
        about: "Run TypeScript or JavaScript with Node, without packages, in the current directory. \
                Use console.log to see results.",
        fields: &[need("code", Text, ""), TIMEOUT],
    },
    Tool {
        name: "write_file",
        about: "Write a whole text file beneath /workspace; makes directories, replaces what was \
                there.",
        fields: &[need("path", Text, ""), need("content", Text, "the whole content")],
    },
    Tool {
        name: "edit_file",
        about: "Replace a piece of a text file. `old` must be copied exactly, white space too, \
                without line numbers, and occur once: take enough lines. Shows the change.",
        fields: &[
            need("path", Text, ""),
            need("old", Text, "text that is there now"),
            need("new", Text, "text to put in its place"),
            may("all", Flag, "replace every occurrence"),
        ],
    },
    Tool {
        name: "read_file",
        about: "Show lines of a text file, with their numbers.",
        fields: &[
            need("path", Text, ""),
            may("from_line", Number, "default 1"),
            may("lines", Number, "default 400"),
        ],
    },
    Tool {
        name: VIEW_IMAGE,
        about: "Look at a picture (png, jpeg, gif or webp).",
        fields: &[need("path", Text, "")],
    },
    Tool {
        name: "background",
        about: "Start a bash script that goes on after this call, such as a server or a program \
                that asks for input. Returns its id for `process`.",
        fields: &[need("command", Text, "")],
    },
    Tool {
        name: "process",
        about: "Look at a background process: its new output and whether it runs. Before that, \
                send it input or a signal if wanted.",
        fields: &[
            need("id", Number, "from `background`"),
            may("input", Text, "for its standard input; end a line with \\n"),
            may("close_input", Flag, "end of its input"),
            may("signal", OneOf(SIGNALS), ""),
            may("wait_seconds", Number, "how long to wait for output or its end; default 5"),
        ],
    },
    Tool {
        name: DESKTOP,
        about: "See and use the screen of this machine. Places are pixels of the whole screenshot. \
                You are shown the screen after what you do to it.",
        fields: &[
            need("action", OneOf(ACTIONS), ""),
            may(
                "x",
                Number,
                "where; for drag the start; for screenshot the corner of a part to enlarge",
            ),
            may("y", Number, ""),
            may("to_x", Number, "end of a drag, other corner"),
            may("to_y", Number, ""),
            may(
                "text",
                Text,
                "to type, key such as ctrl+l or Return, program to launch, id or title \
                               of the window to activate, for the clipboard",
            ),
            may("direction", OneOf(DIRECTIONS), "to scroll"),
            may("amount", Number, "clicks of the wheel"),
            may("seconds", Number, "to wait for a change, default 10"),
        ],
    },
    Tool {
        name: "plan",
        about: "Write down or update the whole plan: before long work, and when a step is done.",
        fields: &[
            may("deliverables", Texts, "files to hand over"),
            need("items", Items, "all steps, in order"),
            may("checks", Checks, "how you will know that it is done"),
        ],
    },
    Tool {
        name: "recall",
        about: "Search everything that was said and done in this job, also what you no longer see.",
        fields: &[need("query", Text, "words, or the number from a stub")],
    },
    Tool {
        name: "finish",
        about: "Say that the task is done. The files must exist and the checks must pass; they are \
                run.",
        fields: &[
            need("summary", Text, "what was done, for the user"),
            need("artifacts", Texts, "files that are the result, [] if none"),
            may("checks", Checks, "commands that succeed only if the result is right"),
        ],
    },
];

const SIGNALS: &[&str] = &["INT", "TERM", "KILL", "HUP"];

/// The only tool that not every model can use.
const VIEW_IMAGE: &str = "view_image";

/// The only one that not every sandbox has.
pub(crate) const DESKTOP: &str = "desktop";

/// The tools a model is offered.
pub(super) fn specs(images: bool, desktop: bool) -> Vec<ToolSpec> {
    let usable = |tool: &&Tool| match tool.name {
        VIEW_IMAGE => images,
        DESKTOP => desktop,
        _ => true,
    };
    TOOLS.iter().filter(usable).map(Tool::spec).collect()
}

impl Tool {
    fn spec(&self) -> ToolSpec {
        let properties: Map<String, Value> =
            self.fields.iter().map(|field| (field.name.into(), field.schema())).collect();
        let required: Vec<&str> =
            self.fields.iter().filter(|field| field.required).map(|field| field.name).collect();
        let parameters = json!({
            "type": "object", "properties": properties, "required": required,
        });
        ToolSpec { name: self.name.into(), description: self.about.into(), parameters }
    }

    /// What a call looks like, for who sent another.
    pub(super) fn usage(&self) -> String {
        let fields: Vec<String> = self.fields.iter().map(Field::usage).collect();
        format!("{}{{{}}}", self.name, fields.join(", "))
    }
}

impl Field {
    fn schema(&self) -> Value {
        let mut schema = self.kind.schema();
        if !self.about.is_empty() {
            schema["description"] = self.about.into();
        }
        schema
    }

    fn usage(&self) -> String {
        let Self { name, kind, required, .. } = self;
        format!("{name}{}: {}", if *required { "" } else { "?" }, kind.name())
    }
}

impl Kind {
    fn schema(self) -> Value {
        let text = json!({"type": "string"});
        match self {
            Text => text,
            Number => json!({"type": "integer"}),
            Flag => json!({"type": "boolean"}),
            Texts => json!({"type": "array", "items": text}),
            OneOf(words) => json!({"type": "string", "enum": words}),
            Items => {
                list(json!({"text": text, "state": OneOf(STATES).schema()}), &["text", "state"])
            }
            Checks => list(json!({"what": text, "command": text}), &["what", "command"]),
        }
    }

    /// In words.
    pub(super) fn name(self) -> String {
        match self {
            Text => "string".into(),
            Number => "integer".into(),
            Flag => "boolean".into(),
            Texts => "[string]".into(),
            Items => format!("[{{text: string, state: {}}}]", STATES.join("|")),
            Checks => "[{what: string, command: string}]".into(),
            OneOf(words) => words.join("|"),
        }
    }
}

fn list(properties: Value, required: &[&str]) -> Value {
    let items = json!({"type": "object", "properties": properties, "required": required});
    json!({"type": "array", "items": items})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_few_bytes_and_complete() {
        let bytes = |specs: &[ToolSpec]| serde_json::to_string(specs).unwrap().len();
        let (all, plain) = (specs(true, true), specs(true, false));
        assert!(bytes(&plain) <= 5 * 1024, "{} bytes", bytes(&plain));
        assert!(bytes(&all) <= bytes(&plain) + 1280, "{} bytes", bytes(&all));
        assert_eq!((all.len(), plain.len()), (13, 12));
        assert!(plain.iter().all(|spec| spec.name != DESKTOP));
        assert!(specs(false, true).iter().all(|spec| spec.name != VIEW_IMAGE));
        for spec in all {
            assert_eq!(spec.parameters["type"], "object");
            assert!(spec.parameters["required"].is_array() && !spec.description.is_empty());
        }
    }

    #[test]
    fn usage_is_one_line() {
        let usage = TOOLS[0].usage();
        assert_eq!(usage, "shell{command: string, timeout_seconds?: integer}");
    }
}
