import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { chunks, size } from "../core/lines";
import { LogBytes } from "./LogBytes";
import { Job } from "./logs.fake";
import { LogSearch } from "./LogSearch";

const START = { chunk: 0, row: -1 };

let job: Job;
let search: LogSearch;

beforeEach(() => {
  job = new Job();
  search = new LogSearch(new LogBytes("id"));
  vi.stubGlobal("fetch", job.fetch);
});
afterEach(() => vi.unstubAllGlobals());

const look = (words: string, from = START, by: 1 | -1 = 1) => search.look(job.spans, words, from, by);

/** About 5 MB, with two lines to be found. */
function write(): void {
  const filler = `${"z".repeat(99)}\n`;
  job.write(filler.repeat(20_000));
  job.write("First \x1b[31mneed\x1b[0mle\n");
  job.write(filler.repeat(20_000));
  job.write("second needle\n", "stderr");
  job.write(filler.repeat(10_000));
}

it("goes from one to the next, forwards and backwards, and around the end", async () => {
  write();
  const one = (await look("NEEDLE"))!;
  const two = (await look("needle", one))!;
  expect([one.chunk, two.chunk]).toEqual([Math.floor(2_000_000 / 262_144), Math.floor(4_000_000 / 262_144)]);
  expect(one.words).toBe("needle");
  expect(await look("needle", two)).toEqual(one);
  expect(await look("needle", two, -1)).toEqual(one);
  expect(await look("needle", one, -1)).toEqual(two);
  expect(await look("second", two)).toEqual({ ...two, words: "second" });
  expect(search.looked.value).toBeNull();
});

it("finds nothing where nothing is, having read all of it once", async () => {
  expect(await look("needle")).toBeNull();
  write();
  expect(await look("no such thing")).toBeNull();
  expect(job.asked).toBeLessThanOrEqual(chunks(size(job.spans)) + 2);
});

it("ends when it is stopped, or something else is looked for", async () => {
  write();
  const slow = look("no such thing");
  const other = look("second");
  expect(await slow).toBeUndefined();
  expect((await other)?.words).toBe("second");
  const stopped = look("no such thing");
  search.stop();
  expect(await stopped).toBeUndefined();
  expect(job.asked).toBeLessThan(chunks(size(job.spans)) + 4);
});

it("says why it cannot go on", async () => {
  write();
  job.down = true;
  await expect(look("needle")).rejects.toThrow("does not answer");
  expect(search.looked.value).toBeNull();
});
