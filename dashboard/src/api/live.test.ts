import fc from "fast-check";
import { afterEach, beforeEach, expect, test, vi } from "vitest";

import type { Event } from "./client";
import { Live, type Source } from "./live";

/** A stream that the test speaks through. */
class FakeSource implements Source {
  onerror: ((event: globalThis.Event) => void) | null = null;
  closed = false;
  private readonly listeners = new Map<string, (message: MessageEvent<string>) => void>();

  constructor(readonly url: string) {}

  addEventListener(type: string, listener: (message: MessageEvent<string>) => void) {
    this.listeners.set(type, listener);
  }

  close() {
    this.closed = true;
  }

  says(type: string, data: unknown = {}) {
    this.listeners.get(type)?.({ data: JSON.stringify(data) } as MessageEvent<string>);
  }

  event(job: string, seq: number) {
    this.says("event", { job_id: job, event: { seq } });
  }

  breaks() {
    this.onerror?.(new globalThis.Event("error"));
  }
}

function tab() {
  const sources: FakeSource[] = [];
  const live = new Live((url) => {
    const source = new FakeSource(url);
    sources.push(source);
    return source;
  });
  const seen = (job: string, after = 0) => {
    const seqs: number[] = [];
    const stop = live.follow(job, after, (events) => seqs.push(...events.map((event: Event) => event.seq)));
    return { seqs, stop };
  };
  return { live, sources, seen, last: () => sources.at(-1)! };
}

const settle = () => vi.advanceTimersByTimeAsync(100);

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("what is followed stands in the address, and changes of one turn make one stream", async () => {
  const { sources, seen, last } = tab();
  seen("a");
  const b = seen("b", 7);
  await settle();
  expect(sources.map(({ url }) => url)).toEqual(["/v1/events?list=true&follow=a:0&follow=b:7"]);
  b.stop();
  await settle();
  expect(sources[0]!.closed).toBe(true);
  expect(last().url).toBe("/v1/events?list=true&follow=a:0");
});

test("a stream that breaks off is opened again where it was, after longer and longer waits", async () => {
  const { live, sources, seen, last } = tab();
  const { seqs } = seen("a");
  await settle();
  last().says("ready");
  last().event("a", 1);
  last().event("a", 2);
  for (const wait of [500, 1000, 2000, 3000, 5000, 5000]) {
    const before = sources.length;
    last().breaks();
    expect(live.connection.value).toBe("lost");
    await vi.advanceTimersByTimeAsync(wait - 1);
    expect(sources.length).toBe(before);
    await vi.advanceTimersByTimeAsync(1);
    expect(sources.length).toBe(before + 1);
    expect(last().url).toContain("follow=a:2");
  }
  last().says("ready");
  expect(live.connection.value).toBe("open");
  last().event("a", 3);
  await settle();
  expect(seqs).toEqual([1, 2, 3]);
});

test("a stream that was given up is not listened to", async () => {
  const { seen, sources } = tab();
  const { seqs } = seen("a");
  await settle();
  seen("b");
  await settle();
  sources[0]!.event("a", 1);
  await settle();
  expect(seqs).toEqual([]);
});

test("who follows a job that another part follows already gets all of it", async () => {
  const { seen, last } = tab();
  const early = seen("a");
  await settle();
  last().event("a", 1);
  const late = seen("a");
  // Comes before the stream is opened anew.
  last().event("a", 2);
  await settle();
  expect(last().url).toContain("follow=a:0");
  for (const seq of [1, 2, 3]) last().event("a", seq);
  await settle();
  expect(early.seqs).toEqual([1, 2, 3]);
  expect(late.seqs).toEqual([1, 2, 3]);
});

test("watchers hear of changes, and load their lists once nothing is missed", async () => {
  const { live, last } = tab();
  const heard: string[] = [];
  const stop = live.watchJobs({
    onJob: (job) => heard.push(job.title),
    onGone: (job) => heard.push(`gone ${job}`),
    onReload: () => heard.push("reload"),
  });
  live.reopen();
  await settle();
  expect(heard).toEqual([]);
  last().says("ready");
  last().says("job", { title: "one" });
  last().says("gone", { job_id: "x" });
  last().says("reload");
  stop();
  last().says("job", { title: "unheard" });
  expect(heard).toEqual(["reload", "one", "gone x", "reload"]);
});

test("a page that is hidden has no stream, and goes on where it was", async () => {
  const { live, sources, seen, last } = tab();
  const { seqs } = seen("a");
  await settle();
  last().event("a", 1);
  live.pause(true);
  expect(last().closed).toBe(true);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(sources.length).toBe(1);
  live.pause(false);
  expect(last().url).toContain("follow=a:1");
  last().event("a", 2);
  await settle();
  expect(seqs).toEqual([1, 2]);
});

test("whatever breaks off when, each follower sees every event once and in order", async () => {
  const step = fc.oneof(
    fc.constant("break"),
    fc.constant("hide"),
    fc.constant("join"),
    fc.constant("wait"),
    fc.nat({ max: 5 }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const { live, seen, sources } = tab();
      let written = 0;
      const followers = [seen("a")];
      const sent = new Map<FakeSource, number>();
      /** What a server does: everything after the place in the address. */
      const serve = () => {
        const source = sources.at(-1);
        if (!source || source.closed) return;
        const place = Number(/follow=a:(\d+)/.exec(source.url)?.[1] ?? written);
        for (let seq = (sent.get(source) ?? place) + 1; seq <= written; seq += 1) source.event("a", seq);
        sent.set(source, written);
      };
      for (const step of steps) {
        if (typeof step === "number") written += step;
        else if (step === "break") sources.at(-1)?.breaks();
        else if (step === "hide") live.pause(true);
        else if (step === "join") followers.push(seen("a"));
        else await vi.advanceTimersByTimeAsync(6000);
        serve();
      }
      live.pause(false);
      await vi.advanceTimersByTimeAsync(6000);
      serve();
      await settle();
      const all = Array.from({ length: written }, (_, n) => n + 1);
      for (const { seqs } of followers) expect(seqs).toEqual(all);
    }),
    { numRuns: 200 },
  );
});
