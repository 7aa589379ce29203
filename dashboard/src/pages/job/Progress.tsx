import { useSignal } from "@preact/signals";
import type { VNode } from "preact";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";

import type { Entry as TimelineEntry } from "../../core/timeline";
import { bytes } from "../../core/words";
import { useShortcuts } from "../../keys";
import { Empty } from "../../parts/Empty";
import { Log } from "../../parts/Log";
import { Entry } from "./Entry";
import type { JobState } from "./state";

/** What happens: step by step, or all that was written. */
export function Progress({ state }: { state: JobState }) {
  const shown = useSignal<"steps" | "output">("steps");
  const size = state.timeline.value.bytes;
  useShortcuts([
    { keys: "j", says: "Next step", run: () => stepBy(1) },
    { keys: "k", says: "Step before", run: () => stepBy(-1) },
    { keys: "/", says: "Search in the output", run: () => ((shown.value = "output"), focusSearch()) },
    { keys: "o", says: "Steps or all output", run: () => (shown.value = shown.value === "steps" ? "output" : "steps") },
  ]);
  const tab = (name: "steps" | "output", text: string) => (
    <button type="button" aria-pressed={shown.value === name} onClick={() => (shown.value = name)}>
      {text}
    </button>
  );
  return (
    <section aria-label="Progress" class="progress">
      <h2 class="unseen">Progress</h2>
      <div class="progress-head">
        <div class="choice" role="group" aria-label="What is shown">
          {tab("steps", "Steps")}
          {tab("output", size > 0 ? `Output · ${bytes(size)}` : "Output")}
        </div>
        {shown.value === "steps" ? <Everything state={state} /> : <RawLogs id={state.id} />}
      </div>
      {shown.value === "steps" ? <Entries state={state} /> : <AllOutput state={state} />}
    </section>
  );
}

function Everything({ state }: { state: JobState }) {
  return (
    <label class="tick small dim">
      <input
        type="checkbox"
        checked={state.everything.value}
        onChange={({ currentTarget }) => (state.everything.value = currentTarget.checked)}
      />
      Show model calls, network and flow
    </label>
  );
}

function RawLogs({ id }: { id: string }) {
  return (
    <span class="small">
      <a href={`/logs/${id}/stdout`} target="_blank" rel="noreferrer">stdout</a>{" "}
      <a href={`/logs/${id}/stderr`} target="_blank" rel="noreferrer">stderr</a>
    </span>
  );
}

// It is there when the output is drawn.
function focusSearch(): void {
  requestAnimationFrame(() => document.querySelector<HTMLElement>(".log-find input")?.focus());
}

function stepBy(by: 1 | -1): void {
  const steps = [...document.querySelectorAll<HTMLElement>(".step h3 button")];
  const here = steps.indexOf(document.activeElement as HTMLElement);
  const next = here < 0 ? (by > 0 ? 0 : steps.length - 1) : here + by;
  steps[next]?.focus();
}

// An entry that did not change keeps its drawing: nothing of it is looked at again.
const drawn = new WeakMap<TimelineEntry, VNode>();

function Entries({ state }: { state: JobState }) {
  const { entries, thinking } = state.timeline.value;
  useEndInView(!state.over.value);
  return (
    <ol class="entries">
      {entries.map((entry, i) => {
        let node = drawn.get(entry);
        if (!node) drawn.set(entry, (node = <Entry key={i} entry={entry} state={state} />));
        return node;
      })}
      {!state.over.value && <li class="entry-now dim">{now(state, thinking)}</li>}
    </ol>
  );
}

/** How near the page's end counts as its end, in pixels. */
const NEAR = 60;

/** Who looks at the end of the page goes on to, as it grows. */
function useEndInView(grows: boolean): void {
  const isAtEnd = useRef(false);
  const page = document.documentElement;
  useEffect(() => {
    const look = () => (isAtEnd.current = scrollY > 0 && scrollY + innerHeight > page.scrollHeight - NEAR);
    addEventListener("scroll", look, { passive: true });
    return () => removeEventListener("scroll", look);
  }, []);
  useLayoutEffect(() => {
    if (grows && isAtEnd.current) scrollTo(0, page.scrollHeight);
  });
}

function now(state: JobState, thinking: boolean): string {
  if (state.waiting.value) return "Waits for you";
  if (thinking) return "The agent thinks…";
  const status = state.status.value;
  if (status === "scheduled") return "Waits for a free slot…";
  if (status === "starting") return "The sandbox is being made…";
  return status === "packaging" ? "The result is being packed…" : "";
}

function AllOutput({ state }: { state: JobState }) {
  const { output, bytes: size } = state.timeline.value;
  if (size === 0) {
    return (
      <Empty title={state.over.value ? "It wrote nothing" : "Nothing was written yet"}>
        <p class="dim">What its steps write to stdout and stderr stands here.</p>
      </Empty>
    );
  }
  return (
    <Log label="Output of all steps" bytes={state.bytes} spans={output} size={size} live={!state.over.value} findable />
  );
}
