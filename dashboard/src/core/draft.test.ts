import fc from "fast-check";
import { expect, test } from "vitest";

import type { Job } from "../api/client";
import { again, body, type Draft, EMPTY, inUnit, isRunbook, LIMITS, mistakes } from "./draft";

const draft = (some: Partial<Draft>): Draft => ({ ...EMPTY, prompt: "do it", ...some });

test("only what was said is sent", () => {
  expect(body(draft({}))).toEqual({ prompt: "do it" });
  const all = draft({
    mode: "agent",
    engine: "docker",
    image: " a:1 ",
    model: "m",
    network: "domains",
    domains: "a.example, *.b.example\nc.example",
    limits: { wall_seconds: "2", memory_bytes: "1.5", cpus: "0,5", processes: "" },
    environment: "A=1\n\nB=x=y\nC=",
    approve: true,
    desktop: true,
    caches: true,
  });
  expect(mistakes(all).size).toBe(0);
  expect(body(all)).toEqual({
    prompt: "do it",
    mode: "agent",
    engine: "docker",
    image: "a:1",
    model: "m",
    network: ["a.example", "*.b.example", "c.example"],
    limits: { wall_seconds: 120, memory_bytes: 1.5 * 1024 ** 3, cpus: 0.5 },
    environment: { A: "1", B: "x=y", C: "" },
    approve: true,
    desktop: true,
    include_caches: true,
  });
});

test.each([
  [{ prompt: " \n" }, "prompt"],
  [{ limits: { cpus: "two" } }, "limits.cpus"],
  [{ limits: { wall_seconds: "0" } }, "limits.wall_seconds"],
  [{ environment: "A=1\nB" }, "environment"],
  [{ network: "domains" as const, domains: " ," }, "network"],
])("%j is wrong at %s", (some, field) => expect([...mistakes(draft(some)).keys()]).toEqual([field]));

test.each([
  ["---\nrunbook: 1\n---\n# Hello\n", true],
  ["---\r\ntitle: x\r\nrunbook: 1\r\n---\r\n", true],
  ["\uFEFF---\nrunbook: 1\n---", true],
  ["---\nrunbook: 12\n---\n", false],
  ["# x\n---\nrunbook: 1\n---\n", false],
  ["---\nrunbook: 1\n", false],
  ["", false],
])("%j: runbook %s", (text, is) => expect(isRunbook(text)).toBe(is));

test("a limit comes back as it was typed", () => {
  fc.assert(
    fc.property(fc.constantFrom(...LIMITS), fc.integer({ min: 1, max: 99_999 }), (field, n) => {
      const typed = String(n);
      expect(inUnit(body(draft({ limits: { [field.name]: typed } })).limits![field.name]!, field)).toBe(typed);
    }),
  );
});

test("a job is asked for again as it was, but for what nobody keeps", () => {
  const limits = { wall_seconds: 120, cpus: 2 };
  const job = {
    prompt: "p", mode: "agent", engine: "local", image: null, model: "m", network: ["a.example"], limits,
    environment: ["KEY"], approve: true, include_caches: false,
  } as unknown as Job;
  expect(body(again(job, { cpus: 2 } as never))).toEqual({
    prompt: "p", mode: "agent", engine: "local", model: "m", network: ["a.example"],
    limits: { wall_seconds: 120 }, environment: { KEY: "" }, approve: true,
  });
});
