import { signal } from "@preact/signals";
import { afterEach, beforeEach, expect, test, vi } from "vitest";

import type { JobSummary } from "../../api/client";
import type { Watcher } from "../../api/live";

/** Questions to the server that wait for the test to answer. */
const asked: { query: Record<string, unknown>; answer: (value: unknown) => void; refuse: (why: Error) => void }[] = [];
let watcher: Watcher;
/** How often it was asked how many jobs there are. */
let counted = 0;

vi.mock("../../api/client", () => ({
  api: {
    GET: (path: string, options?: { params: { query: Record<string, unknown> } }) =>
      path === "/v1/system"
        ? Promise.resolve({ jobs: [{ status: "running", count: (counted += 1) }] })
        : new Promise((answer, refuse) => asked.push({ query: options!.params.query, answer, refuse })),
  },
  ask: (call: Promise<unknown>) => call,
  told: (error: Error) => error.message,
}));
vi.mock("../../api/jobs", () => ({ doomed: signal(new Set()) }));
vi.mock("../../api/live", () => ({
  watchJobs: (given: Watcher) => {
    watcher = given;
    return () => {};
  },
}));
vi.stubGlobal("location", { search: "" });
vi.stubGlobal("history", { replaceState: () => {} });

const { listOfJobs } = await import("./model");

const job = (n: number, title = `job ${n}`) => ({ job_id: `id-${n}`, title, status: "running" }) as JobSummary;
const page = (jobs: JobSummary[], more = false) => ({ jobs, next: more ? jobs.at(-1)!.job_id : null });
const settle = () => vi.advanceTimersByTimeAsync(100);

async function opened(jobs: JobSummary[], more = false) {
  const list = listOfJobs();
  list.watch();
  asked.shift()!.answer(page(jobs, more));
  await settle();
  return { list, titles: () => list.jobs.value?.map(({ title }) => title) };
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
  asked.length = 0;
  vi.useRealTimers();
});

test("what changes while the list is loaded is newer than what is loaded", async () => {
  const { titles } = await opened([job(2), job(1)]);
  watcher.onReload();
  watcher.onJob(job(2, "renamed"));
  watcher.onJob(job(3));
  watcher.onGone("id-1");
  await settle();
  expect(titles()).toEqual(["job 2", "job 1"]);
  asked.shift()!.answer(page([job(2), job(1)]));
  await settle();
  expect(titles()).toEqual(["job 3", "renamed"]);
});

test("what changes while the next page is loaded is newer than what is on it", async () => {
  const { list, titles } = await opened([job(4), job(3)], true);
  void list.loadMore();
  watcher.onJob(job(2, "renamed"));
  await settle();
  asked.shift()!.answer(page([job(2), job(1)]));
  await settle();
  expect(titles()).toEqual(["job 4", "job 3", "renamed", "job 1"]);
});

test("an answer to what is no longer wanted is not shown", async () => {
  const { list, titles } = await opened([job(1)]);
  list.choose({ search: "a" });
  list.choose({ search: "ab" });
  const [first, second] = asked.splice(0);
  expect([first!.query.search, second!.query.search]).toEqual(["a", "ab"]);
  second!.answer(page([job(2, "ab")]));
  await settle();
  first!.answer(page([job(3, "a")]));
  await settle();
  expect(titles()).toEqual(["ab"]);
});

test("who was far down stays there when the list is loaded again", async () => {
  const { list, titles } = await opened([job(9), job(8)], true);
  void list.loadMore();
  asked.shift()!.answer(page([job(7), job(6)], true));
  await settle();
  watcher.onReload();
  asked.shift()!.answer(page([job(9), job(8)], true));
  await settle();
  expect(asked[0]?.query.after).toBe("id-8");
  asked.shift()!.answer(page([job(7), job(6)], true));
  await settle();
  expect(titles()?.length).toBe(4);
});

test("a list that cannot be loaded again stays, and changes go on", async () => {
  const { list, titles } = await opened([job(1)]);
  watcher.onReload();
  asked.shift()!.refuse(new Error("away"));
  await settle();
  expect(list.error.value).toBe("away");
  watcher.onJob(job(2));
  await settle();
  expect(titles()).toEqual(["job 2", "job 1"]);
});

test("counts are soon true after a change, and seldom asked for where much changes", async () => {
  const { list } = await opened([job(1)]);
  await vi.advanceTimersByTimeAsync(60_000);
  counted = 0;
  watcher.onJob(job(2));
  await vi.advanceTimersByTimeAsync(1000);
  expect(list.counts.value.get("running")).toBe(1);
  for (let n = 0; n < 600; n++) {
    watcher.onJob(job(n));
    await vi.advanceTimersByTimeAsync(100);
  }
  expect(counted).toBeLessThanOrEqual(7);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(counted).toBeLessThanOrEqual(8);
});
