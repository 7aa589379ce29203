/** From a job's events to what its page shows: steps in order, and what happened between them. */

import type { Event, Schemas } from "../api/client";
import { append, size, type Span } from "./lines";

type Kind = Event["event"];
type Of<T extends Kind["type"]> = Extract<Kind, { type: T }>;

/** All that a job's events say. */
export interface Timeline {
  /** The last event that is in it. */
  seq: number;
  entries: readonly Entry[];
  /** Where in `entries` a step is, by its number. */
  places: ReadonlyMap<number, number>;
  status: Schemas["JobStatus"];
  plan: Schemas["Plan"] | null;
  waiting: Schemas["Waiting"] | null;
  result: Schemas["JobResult"] | null;
  sandbox: Schemas["SandboxReport"] | null;
  /** Whether a person has the desktop. */
  taken: boolean;
  /** Whether somebody asked for it to be cancelled. */
  cancelling: boolean;
  /** Whether the agent waits for a model's answer. */
  thinking: boolean;
  spent: Spent;
  /** What models took over time, summed up. */
  spending: readonly Sample<Spent>[];
  /** What the sandbox used over time. */
  using: readonly Sample<Schemas["UsageSample"]>[];
  /** All that was written, by whichever step. */
  output: readonly Span[];
  /** How long that is: `output` grows in place. */
  bytes: number;
}

/** What stands in the timeline. */
export type Entry =
  | { type: "step"; step: Step }
  | { type: "said"; at: number; by: Schemas["Speaker"]; text: string }
  | { type: "decided"; at: number; step: number; approved: boolean; reason: string | null }
  | { type: "notice"; at: number; about: About; warns: boolean; text: string; count: number }
  /** Its list grows in place. */
  | { type: "quiet"; items: readonly Quiet[] };

/** What a notice is about. */
export type About = "job" | "flow" | "model" | "network";

/** What is worth a look only to those who look for it. */
export type Quiet =
  | { type: "phase"; at: number; text: string }
  | { type: "node"; at: number; node: string; action: string | null; millis: number | null }
  | { type: "call"; at: number; call: Schemas["ModelCall"] }
  | { type: "egress"; at: number; egress: Schemas["Egress"] };

export interface Step {
  number: number;
  kind: Schemas["StepKind"];
  title: string;
  /** Line of the runbook on which its block begins, from 1; 0 where there is none. */
  line: number;
  code: string | null;
  started: number;
  /** How it went; null while it runs. */
  outcome: Schemas["StepOutcome"] | null;
  exitCode: number | null;
  millis: number | null;
  /** Where its output is; grows in place. */
  spans: readonly Span[];
  bytes: number;
}

export interface Spent {
  calls: number;
  failed: number;
  input: number;
  output: number;
  /** In US dollars; null where no call has a price. */
  cost: number | null;
}

export interface Sample<T> {
  at: number;
  value: T;
}

/** Before anything happened. */
export function begin(): Timeline {
  return {
    seq: 0, entries: [], places: new Map(), status: "scheduled", plan: null, waiting: null,
    result: null, sandbox: null, taken: false, cancelling: false, thinking: false,
    spent: { calls: 0, failed: 0, input: 0, output: 0, cost: null },
    spending: [], using: [], output: [], bytes: 0,
  };
}

/**
 * The timeline with more events; those it has already are passed over. What did not change stays the
 * same object, but for the lists that grow in place: the one before is not to be used again.
 */
export function add(before: Timeline, events: readonly Event[]): Timeline {
  const next: Draft = {
    ...before,
    entries: [...before.entries],
    places: before.places as Map<number, number>,
    spending: before.spending as Sample<Spent>[],
    using: before.using as Sample<Schemas["UsageSample"]>[],
    output: before.output as Span[],
  };
  for (const { seq, at, event } of events) {
    if (seq <= next.seq) continue;
    next.seq = seq;
    take(next, Date.parse(at), event);
  }
  return next;
}

/** What somebody who reads along is to see next: the last step that runs, or ran. */
export function current(timeline: Timeline): Step | null {
  const last = timeline.entries.findLast((entry) => entry.type === "step");
  return last?.type === "step" ? last.step : null;
}

type Draft = {
  -readonly [K in keyof Timeline]: Timeline[K];
} & {
  entries: Entry[];
  places: Map<number, number>;
  spending: Sample<Spent>[];
  using: Sample<Schemas["UsageSample"]>[];
  output: Span[];
};

function take(to: Draft, at: number, event: Kind): void {
  switch (event.type) {
    case "scheduled":
      return phase(to, at, "scheduled", "accepted");
    case "starting":
      return phase(to, at, "starting", "the sandbox is being made");
    case "running":
      to.sandbox = event.sandbox;
      return phase(to, at, "running", `the agent is connected (agentd ${event.agent})`);
    case "packaging":
      to.thinking = false;
      return phase(to, at, "packaging", "the work is over; the result is being packed");
    case "packaged":
      return phase(to, at, to.status, `the ZIP is there: ${event.files} files`);
    case "ended":
      to.waiting = null;
      to.thinking = false;
      to.taken = false;
      return phase(to, at, event.status, "over");
    case "cancel_requested":
      to.cancelling = true;
      return phase(to, at, to.status, "somebody asked for it to be cancelled");
    case "node_started":
    case "node_finished":
      return node(to, at, event);
    case "step_started":
      return started(to, at, event);
    case "output":
      return wrote(to, event);
    case "step_finished":
      return change(to, event.step, () => ({
        outcome: event.outcome, exitCode: event.exit_code ?? null, millis: event.millis,
      }));
    case "notice":
      return notice(to, at, "job", event.level === "warning", event.text);
    case "egress":
      return egress(to, at, event);
    case "model_call":
      return called(to, at, event);
    case "said":
      to.entries.push({ type: "said", at, by: event.by, text: event.text });
      return;
    case "plan":
      to.plan = event.plan;
      return;
    case "waiting":
      to.waiting = event.waiting;
      return;
    case "decided":
      if (to.waiting?.step === event.step) to.waiting = null;
      to.entries.push({
        type: "decided", at, step: event.step, approved: event.approved, reason: event.reason ?? null,
      });
      return;
    case "desktop":
      to.taken = event.taken;
      return notice(to, at, "job", false, event.taken
        ? "a person took control of the desktop" : "the desktop was given back");
    case "result":
      to.result = event.result;
      return;
    case "usage":
      to.using.push({ at, value: event });
    // A newer server says more than this page knows.
  }
}

function phase(to: Draft, at: number, status: Timeline["status"], text: string): void {
  to.status = status;
  quiet(to, { type: "phase", at, text });
}

function node(to: Draft, at: number, event: Of<"node_started"> | Of<"node_finished">): void {
  to.thinking = event.type === "node_started" && (event.node === "think" || event.node === "analyse");
  if (event.type === "node_started") return;
  if (event.error) notice(to, at, "flow", true, `${event.node} failed: ${event.error}`);
  else quiet(to, { type: "node", at, node: event.node, action: event.action ?? null, millis: event.millis });
}

function started(to: Draft, at: number, event: Of<"step_started">): void {
  const step: Step = {
    number: event.step, kind: event.kind, title: event.title, line: event.line, code: event.code ?? null,
    started: at, outcome: null, exitCode: null, millis: null, spans: [], bytes: 0,
  };
  if (to.waiting?.step === event.step) to.waiting = null;
  to.places.set(event.step, to.entries.length);
  to.entries.push({ type: "step", step });
}

function change(to: Draft, number: number, changes: (step: Step) => Partial<Step>): void {
  const place = to.places.get(number);
  const entry = place === undefined ? undefined : to.entries[place];
  if (place === undefined || entry?.type !== "step") return;
  to.entries[place] = { type: "step", step: { ...entry.step, ...changes(entry.step) } };
}

function wrote(to: Draft, { step, stream, offset, bytes }: Of<"output">): void {
  append(to.output, stream, offset, bytes);
  to.bytes = size(to.output);
  change(to, step, ({ spans }) => {
    append(spans as Span[], stream, offset, bytes);
    return { bytes: size(spans) };
  });
}

function called(to: Draft, at: number, event: Of<"model_call">): void {
  const { calls, failed, input, output, cost } = to.spent;
  to.spent = {
    calls: calls + 1,
    failed: failed + (event.error ? 1 : 0),
    input: input + event.input_tokens,
    output: output + event.output_tokens,
    cost: event.cost_usd == null ? cost : (cost ?? 0) + event.cost_usd,
  };
  to.spending.push({ at, value: to.spent });
  if (event.error) {
    notice(to, at, "model", true, `${event.provider}/${event.model} did not answer: ${event.error}`);
  } else {
    quiet(to, { type: "call", at, call: event });
  }
}

function egress(to: Draft, at: number, event: Of<"egress">): void {
  if (event.verdict === "allowed") return quiet(to, { type: "egress", at, egress: event });
  const place = `${event.host}:${event.port}`;
  const what = event.verdict === "refused" ? `no connection to ${place}` : `${place} could not be reached`;
  notice(to, at, "network", true, event.why ? `${what}: ${event.why}` : what, event.count);
}

// The same again is counted.
function notice(to: Draft, at: number, about: About, warns: boolean, text: string, count = 1): void {
  const last = to.entries.at(-1);
  if (last?.type === "notice" && last.text === text && last.about === about) {
    to.entries[to.entries.length - 1] = { ...last, at, count: last.count + count };
  } else {
    to.entries.push({ type: "notice", at, about, warns, text, count });
  }
}

// What is quiet is one entry until something else happens.
function quiet(to: Draft, item: Quiet): void {
  const last = to.entries.at(-1);
  if (last?.type !== "quiet") {
    to.entries.push({ type: "quiet", items: [item] });
    return;
  }
  (last.items as Quiet[]).push(item);
  to.entries[to.entries.length - 1] = { ...last };
}
