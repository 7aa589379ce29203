import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { api, ask, fetchOk, send, TOKEN } from "./client";

let stored: string | null;
let shown: (string | null)[];

beforeEach(() => {
  [stored, shown] = ["t0ken", []];
  vi.stubGlobal("localStorage", { getItem: (name: string) => (name === TOKEN ? stored : null) });
  vi.stubGlobal("fetch", async (to: string | Request, init?: RequestInit) => {
    const headers = to instanceof Request ? to.headers : new Headers(init?.headers);
    shown.push(headers.get("Cagent-Token"));
    return new Response("{}", { headers: { "Content-Type": "application/json" } });
  });
});
afterEach(() => void vi.unstubAllGlobals());

async function all() {
  const at = { baseUrl: "http://localhost", fetch: (request: Request) => fetch(request) };
  await ask(api.POST("/cancel/{id}", { ...at, params: { path: { id: "x" } } }));
  await fetchOk("/schedule", { method: "POST", headers: { "Content-Type": "text/plain" }, body: "" });
  await send("/v1/jobs/x", { method: "DELETE", keepalive: true });
  await ask(api.GET("/jobs", at));
  await fetchOk("/logs/x/stdout", { headers: { Range: "bytes=0-9" } });
}

test("what changes something shows the session's token, and what reads needs none", async () => {
  await all();
  expect(shown).toEqual(["t0ken", "t0ken", "t0ken", null, null]);
});

test("where there is no session there is no token", async () => {
  stored = null;
  await all();
  expect(shown).toEqual([null, null, null, null, null]);
});
