import { expect, test } from "vitest";

import { effective, press, type Shortcut } from "./keys";

const ran: string[] = [];
const shortcut = (keys: string, name = keys): Shortcut => ({ keys, says: name, run: () => ran.push(name) });
const ALL = [shortcut("n"), shortcut("g j"), shortcut("g n"), shortcut("j")];

/** What is run by these keys, one after the other. */
function typed(keys: string, all = ALL): string[] {
  ran.length = 0;
  let before = "";
  for (const key of keys) {
    const hit = press(all, before, key);
    hit.run?.();
    before = hit.before;
  }
  return [...ran];
}

test("single keys and pairs", () => {
  expect(typed("n")).toEqual(["n"]);
  expect(typed("gj")).toEqual(["g j"]);
  expect(typed("gnn")).toEqual(["g n", "n"]);
  expect(typed("gggj")).toEqual(["g j"]);
});

test("a key that finishes no pair counts for itself", () => {
  expect(typed("gx")).toEqual([]);
  expect(typed("gxj")).toEqual(["j"]);
  expect(typed("xyz")).toEqual([]);
});

test("what is bound last counts", () => {
  const all = [...ALL, shortcut("n", "newer")];
  expect(typed("n", all)).toEqual(["newer"]);
  expect(effective(all).map(({ says }) => says)).toEqual(["g j", "g n", "j", "newer"]);
});
