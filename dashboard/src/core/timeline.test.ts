import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Event } from "../api/client";
import { add, begin, current, type Step, type Timeline } from "./timeline";

type Kind = Event["event"];

const log = (kinds: Kind[]): Event[] =>
  kinds.map((event, i) => ({ seq: i + 1, at: new Date(1e12 + i * 1000).toISOString(), event }));
const of = (...kinds: Kind[]) => add(begin(), log(kinds));
const steps = (timeline: Timeline): Step[] =>
  timeline.entries.flatMap((entry) => (entry.type === "step" ? [entry.step] : []));

const start = (step: number): Kind => ({ type: "step_started", step, kind: "bash", title: `s${step}`, line: 0, code: "ls" });
const finish = (step: number): Kind => ({ type: "step_finished", step, outcome: "ok", exit_code: 0, millis: 5 });
const write = (step: number, offset: number, bytes: number, stream: "stdout" | "stderr" = "stdout"): Kind =>
  ({ type: "output", step, stream, offset, bytes });
const call = (error: string | null, cost_usd: number | null): Kind => ({
  type: "model_call", provider: "p", model: "m", input_tokens: 10, cached_tokens: 0, output_tokens: 2,
  reasoning_tokens: 0, estimated: false, cost_usd, millis: 7, error,
});
const egress = (verdict: "allowed" | "refused"): Kind => ({
  type: "egress", host: "h", port: 443, verdict, why: "not allowed", sent_bytes: 0, received_bytes: 0, millis: 1, count: 3,
});
const sandbox = { engine: "local", isolation: "namespace" as const, shortfalls: [] };

const any: fc.Arbitrary<Kind> = fc.oneof(
  fc.integer({ min: 1, max: 4 }).map(start),
  fc.integer({ min: 1, max: 5 }).map(finish),
  fc.tuple(fc.integer({ min: 1, max: 5 }), fc.nat(50), fc.nat(9), fc.constantFrom("stdout" as const, "stderr" as const))
    .map((args) => write(...args)),
  fc.constantFrom<Kind>(
    call(null, 0.5), call("down", null), egress("allowed"), egress("refused"),
    { type: "scheduled", mode: "agent" }, { type: "starting" }, { type: "running", agent: "1", sandbox },
    { type: "node_started", node: "think", attempt: 1 },
    { type: "node_finished", node: "think", action: "act", error: null, millis: 3 },
    { type: "node_finished", node: "act", action: null, error: "no", millis: 3 },
    { type: "notice", level: "info", text: "hm" },
    { type: "said", by: "person", text: "hi" },
    { type: "plan", plan: { items: [{ text: "a", state: "active" }] } },
    { type: "waiting", waiting: { for: "approval", step: 2, kind: "bash", title: "t", code: null } },
    { type: "decided", step: 2, approved: false, reason: "no" },
    { type: "desktop", taken: true }, { type: "cancel_requested" }, { type: "packaging" },
    { type: "ended", status: "error", reason: "step_failed", exit_code: 1, error: "x" },
    { type: "usage", cpu_millis: 5, memory_bytes: 7, disk_bytes: null, processes: 1 },
    { type: "of_the_future" } as unknown as Kind,
  ),
);

describe("a timeline", () => {
  it("is the same however its events come, also twice", () => {
    fc.assert(fc.property(fc.array(any, { maxLength: 60 }), fc.array(fc.nat(59)), (kinds, cuts) => {
      const events = log(kinds);
      let timeline = begin();
      let from = 0;
      for (const to of [...cuts.sort((a, b) => a - b), events.length]) {
        timeline = add(timeline, events.slice(Math.max(0, from - 2), to));
        from = Math.max(from, to);
      }
      expect(timeline).toEqual(add(begin(), events));
    }));
  });

  it("keeps what did not change", () => {
    const before = of(start(1), finish(1), start(2));
    const first = before.entries[0];
    const after = add(before, [{ seq: 4, at: "2026-01-01T00:00:00Z", event: write(2, 0, 9) }]);
    expect(after.entries[0]).toBe(first);
    expect(after.entries[1]).not.toBe(before.entries[1]);
    expect(current(after)).toMatchObject({ number: 2, bytes: 9 });
  });

  it("gives each step its own output, and all of it to the whole", () => {
    const timeline = of(start(1), start(2), write(1, 0, 10), write(2, 10, 5), write(1, 15, 3), write(1, 0, 2, "stderr"));
    const [one, two] = steps(timeline);
    expect(one?.spans).toEqual([
      { at: 0, stream: "stdout", offset: 0, bytes: 10 },
      { at: 10, stream: "stdout", offset: 15, bytes: 3 },
      { at: 13, stream: "stderr", offset: 0, bytes: 2 },
    ]);
    expect(two).toMatchObject({ bytes: 5, outcome: null });
    expect(timeline.output.length).toBe(2);
    expect(timeline.bytes).toBe(20);
  });

  it("folds what is quiet, shows what is not, and counts what comes again", () => {
    const timeline = of(
      { type: "node_finished", node: "think", action: "act", error: null, millis: 1 }, call(null, 0.25), egress("allowed"),
      start(1), egress("refused"), egress("refused"), call("down", null), finish(1), call(null, 0.5),
    );
    expect(timeline.entries.map((entry) => entry.type)).toEqual(["quiet", "step", "notice", "notice", "quiet"]);
    expect(timeline.entries[2]).toMatchObject({ about: "network", count: 6, warns: true });
    expect(timeline.entries[3]).toMatchObject({ about: "model", count: 1 });
    expect(timeline.spent).toEqual({ calls: 3, failed: 1, input: 30, output: 6, cost: 0.75 });
    expect(timeline.spending.length).toBe(3);
  });

  it("waits until somebody decides, or it is over", () => {
    const waiting: Kind = { type: "waiting", waiting: { for: "approval", step: 3, kind: "bash", title: "rm", code: "rm x" } };
    expect(of(waiting).waiting?.step).toBe(3);
    expect(of(waiting, { type: "decided", step: 3, approved: true, reason: null }).waiting).toBeNull();
    expect(of(waiting, start(3)).waiting).toBeNull();
    expect(of(waiting, { type: "ended", status: "cancelled", reason: "cancelled", exit_code: null, error: null }))
      .toMatchObject({ waiting: null, status: "cancelled" });
  });

  it("knows whether a model is being asked", () => {
    const think: Kind = { type: "node_started", node: "think", attempt: 1 };
    expect(of(think).thinking).toBe(true);
    expect(of(think, { type: "node_finished", node: "think", action: "act", error: null, millis: 3 }).thinking).toBe(false);
  });
});
