import "./NewPage.css";

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";

import { told } from "../../api/client";
import { loadSystem, system } from "../../api/system";
import { bytes } from "../../core/words";
import { Button } from "../../parts/Button";
import { Icon } from "../../parts/Icon";
import { say } from "../../parts/say";
import { draft, earlier, edit, files, hint, leaveOut, problems, send, sending, take, takeFiles, takeFrom } from "./draft";
import { Examples } from "./Examples";
import { Settings } from "./Settings";

/** Where a job is given. */
export default function NewPage() {
  useEffect(() => {
    const asked = new URLSearchParams(location.search);
    const from = asked.get("from");
    if (from) {
      history.replaceState(null, "", "/new");
      void takeFrom(from, asked.get("as") === "runbook");
    }
    loadSystem().catch((error: unknown) => say(`What the server offers cannot be read: ${told(error)}`, { bad: true }));
  }, []);
  return (
    <form
      class="new"
      onSubmit={(event) => {
        event.preventDefault();
        void send().then(showFirstProblem);
      }}
    >
      <h1>New task</h1>
      <div class="new-columns">
        <div class="new-task">
          <Prompt />
          <Files />
          <div class="new-send">
            <Button kind="main" type="submit" busy={sending.value}>
              {sending.value ? "Sending…" : "Run the task"}
            </Button>
            <span class="dim small">
              <kbd>Ctrl</kbd> <kbd>Enter</kbd>
            </span>
            <Hint />
          </div>
          {problems.value.has("") && (
            <p class="field-problem" role="alert">
              {problems.value.get("")}
            </p>
          )}
          {!draft.value.prompt && <Examples />}
        </div>
        <Settings />
      </div>
    </form>
  );
}

function Hint() {
  const { accepting, models } = system.value ?? { accepting: true, models: null };
  const modelless = models?.length === 0 && "No model is configured: only runbooks run here.";
  const text = accepting ? hint.value || modelless : "The server takes no jobs now: it is stopping, or its disk is full.";
  return (
    <p class="dim small" role="status">
      {text}
    </p>
  );
}

function Prompt() {
  const box = useRef<HTMLTextAreaElement>(null);
  useEffect(() => box.current?.focus({ preventScroll: true }), []);
  const wrong = problems.value.get("prompt");
  return (
    <div class="field">
      <label for="prompt">What is to be done?</label>
      <textarea
        ref={box}
        id="prompt"
        rows={9}
        spellcheck={false}
        placeholder="Say it in plain language, or paste a runbook: Markdown whose code blocks are run."
        value={draft.value.prompt}
        aria-invalid={wrong !== undefined}
        aria-describedby="prompt-about"
        onInput={(event) => edit({ prompt: event.currentTarget.value })}
        onKeyDown={(event) => {
          if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
          event.preventDefault();
          event.currentTarget.form?.requestSubmit();
        }}
      />
      <p id="prompt-about" class="field-problem" role={wrong ? "alert" : undefined}>
        {wrong}
      </p>
    </div>
  );
}

function Files() {
  const over = useSignal(false);
  const wrong = problems.value.get("file");
  const drop = (event: DragEvent) => {
    event.preventDefault();
    over.value = false;
    const items = [...(event.dataTransfer?.items ?? [])].filter(({ kind }) => kind === "file");
    const plain = items.filter((item) => !item.webkitGetAsEntry()?.isDirectory);
    if (plain.length < items.length) say("Folders cannot be dropped: choose their files, or pack them.", { bad: true });
    void take(plain.map((item) => item.getAsFile()).filter((file) => file !== null));
  };
  return (
    <div
      class={over.value ? "inputs over" : "inputs"}
      onDragOver={(event) => {
        event.preventDefault();
        over.value = true;
      }}
      onDragLeave={() => (over.value = false)}
      onDrop={drop}
    >
      <label class="button">
        <Icon name="file" />
        Add files
        <input
          type="file"
          multiple
          class="unseen"
          onChange={(event) => {
            void take([...(event.currentTarget.files ?? [])]);
            event.currentTarget.value = "";
          }}
        />
      </label>
      <span class="dim small">or drop them here: a runbook becomes the task, others go into the workspace.</span>
      {earlier.value && <Earlier id={earlier.value} />}
      {files.value.size > 0 && (
        <ul class="inputs-list" aria-label="Files for the workspace">
          {[...files.value].map(([path, { size }]) => (
            <li key={path}>
              <span class="mono">{path}</span>
              <span class="dim small">{bytes(size)}</span>
              <Button kind="bare" aria-label={`Leave out ${path}`} onClick={() => leaveOut(path)}>
                <Icon name="close" />
              </Button>
            </li>
          ))}
        </ul>
      )}
      {wrong && (
        <p class="field-problem" role="alert">
          {wrong}
        </p>
      )}
    </div>
  );
}

function Earlier({ id }: { id: string }) {
  const busy = useSignal(false);
  const add = async () => {
    busy.value = true;
    await takeFiles(id);
    busy.value = false;
  };
  return (
    <Button busy={busy.value} onClick={add}>
      <Icon name="again" />
      {busy.value ? "Adding…" : "Add the files that the earlier job left"}
    </Button>
  );
}

/** Takes whoever sent it to what is wrong, opening what hides it. */
function showFirstProblem(): void {
  requestAnimationFrame(() => {
    const wrong = document.querySelector<HTMLElement>('.new [aria-invalid="true"]');
    wrong?.closest("details")?.setAttribute("open", "");
    wrong?.focus();
  });
}
