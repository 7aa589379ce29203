import chart from "../../../../examples/chart.md?raw";
import fibonacci from "../../../../examples/fibonacci.md?raw";

import { system } from "../../api/system";
import { edit } from "./draft";

const EXAMPLES = [
  {
    word: "A small web page",
    prompt: "Make a single-page website about the planets of the solar system, with a table and a chart. Check in the browser that it looks good.",
    agent: true,
  },
  {
    word: "A tool with tests",
    prompt: "Write a Python command-line program that converts CSV to JSON, reading from a file or stdin, with unit tests that pass.",
    agent: true,
  },
  { word: "Runbook: Fibonacci", prompt: fibonacci, agent: false },
  { word: "Runbook: a chart", prompt: chart, agent: false },
];

/** Tasks to begin with. */
export function Examples() {
  const modelless = system.value?.models.length === 0;
  return (
    <section class="examples" aria-label="Examples">
      <h2 class="dim small">Or begin with one of these</h2>
      {EXAMPLES.map(({ word, prompt, agent }) => (
        <button
          key={word}
          type="button"
          disabled={agent && modelless}
          title={agent && modelless ? "Needs a model, and none is configured" : undefined}
          onClick={() => {
            edit({ prompt });
            document.getElementById("prompt")?.focus();
          }}
        >
          <strong>{word}</strong>
          <span class="dim small">{agent && modelless ? "Needs a model" : beginning(prompt)}</span>
        </button>
      ))}
    </section>
  );
}

/** What a task says first, without a runbook's head. */
function beginning(prompt: string): string {
  const [, text = prompt] = /^---[\s\S]*?^# (.*)$/m.exec(prompt) ?? [];
  return text;
}
