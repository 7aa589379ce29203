import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { CHUNK } from "../core/lines";
import { TALLEST, tall } from "../core/window";
import { LogBytes } from "./LogBytes";
import { LogModel, MOST } from "./LogModel";
import { Job } from "./logs.fake";

let job: Job;

beforeEach(() => {
  job = new Job();
  vi.stubGlobal("fetch", job.fetch);
});
afterEach(() => vi.unstubAllGlobals());

const shown = (model: LogModel) =>
  model.rows().map(({ line }) => line && line.pieces.map(({ text }) => text).join(""));
const read = (model: LogModel, wanted: () => boolean) =>
  vi.waitFor(() => {
    if (!wanted() || shown(model).includes(null)) throw new Error(JSON.stringify(shown(model)).slice(0, 500));
  }, 5000);

function open(following: boolean, view = 3): LogModel {
  const model = new LogModel(new LogBytes("id"), job.spans, following);
  model.grow(job.spans);
  model.resize(view);
  return model;
}

it("shows the beginning, stdout and stderr in the order they came", async () => {
  job.write("one\ntwo");
  job.write("oops\n", "stderr");
  job.write("three\n");
  const model = open(false, 9);
  await read(model, () => shown(model).length === 4);
  expect(shown(model)).toEqual(["one", "two", "oops", "three"]);
  expect(model.rows().map(({ stream }) => stream)).toEqual(["stdout", "stdout", "stderr", "stdout"]);
});

it("follows the end while that is seen, reading only what is new", async () => {
  job.write(Array.from({ length: 50_000 }, (_, i) => `line ${i}\n`).join(""));
  const model = open(true);
  await read(model, () => shown(model).at(-1) === "line 49999");
  const asked = job.asked;
  for (let i = 0; i < 20; i++) {
    job.write(`more ${i}\n`);
    model.grow(job.spans);
  }
  await read(model, () => shown(model).at(-1) === "more 19");
  expect(job.asked).toBeLessThanOrEqual(asked + 3);
  const bar = { row: 20, view: 60 };
  model.scrolled(bar, 1000, 0);
  await read(model, () => shown(model)[0] === "line 0");
  job.write("not to be seen\n");
  model.grow(job.spans);
  expect(model.following).toBe(false);
  expect(shown(model)[0]).toBe("line 0");
});

it("carries colours over chunks, whichever is read first", async () => {
  const chunks = 4;
  job.write(`\x1b[31m${"a".repeat(99)}\n${`${"b".repeat(99)}\n`.repeat((chunks * CHUNK) / 100 - 10)}`);
  const model = open(false);
  const bar = { row: 20, view: 60 };
  const look = async (part: number) => {
    model.scrolled(bar, part > 0.5 ? 0 : 1e9, part * tall(model.layout, bar));
    await read(model, () => true);
    return model.rows()[0]?.line?.pieces[0];
  };
  expect(await look(1)).toEqual({ text: "b".repeat(99), style: {} });
  for (const part of [0, 0.3, 0.6]) await look(part);
  expect(await look(1)).toEqual({ text: "b".repeat(99), style: { fg: 1 } });
});

it("cuts a line of 1 MB, and goes to any part of a log of 100 MB at once", async () => {
  job.write("y".repeat(1_000_000));
  job.write(`\n${`${"z".repeat(99)}\n`.repeat(1_000_000)}`);
  const model = open(false);
  await read(model, () => shown(model).length >= 3);
  expect(shown(model)[0]).toHaveLength(MOST);
  expect(model.rows()[0]?.line?.cut).toBeGreaterThan(200_000);
  expect(model.rows()[1]?.goesOn).toBe(true);
  const bar = { row: 20, view: 60 };
  expect(tall(model.layout, bar)).toBeLessThanOrEqual(TALLEST);
  const asked = job.asked;
  model.scrolled(bar, 0, TALLEST / 2);
  await read(model, () => shown(model)[0] === "z".repeat(99));
  expect(job.asked).toBeLessThan(asked + 8);
});

it("says why it cannot read, and reads again when it is asked to", async () => {
  job.write("here\n");
  job.down = true;
  const model = open(false);
  await vi.waitFor(() => expect(model.failure.value).toContain("does not answer"));
  job.down = false;
  model.retry();
  await read(model, () => shown(model)[0] === "here");
  expect(model.failure.value).toBeNull();
});

it("shows a row that was found, wherever it is, and stays there", async () => {
  job.write(`${"z".repeat(99)}\n`.repeat(100_000));
  job.write("here\n");
  job.write(`${"y".repeat(49)}\n`.repeat(100_000));
  const model = open(true);
  const chunk = Math.floor(10_000_000 / CHUNK);
  const first = Math.ceil((chunk * CHUNK) / 100);
  model.show({ chunk, row: 100_000 - first, rows: 4000, words: "here" });
  await read(model, () => shown(model).includes("here"));
  expect(model.rows().filter(({ words }) => words).map(({ line }) => line?.pieces[0]?.text)).toEqual(["here"]);
  job.write("more\n");
  model.grow(job.spans);
  await read(model, () => shown(model).includes("here"));
});
