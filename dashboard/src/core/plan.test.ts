import { expect, it } from "vitest";

import type { Schemas } from "../api/client";
import { markOf, progress } from "./plan";

const items = (...states: Schemas["PlanState"][]) => states.map((state) => ({ text: state, state }));

it("says how far it is", () => {
  expect(progress(items("open", "open", "active"), false)).toBe("0 of 3");
  expect(progress(items("done", "dropped", "active"), false)).toBe("1 of 3");
  expect(progress(items("done", "done"), true)).toBe("2 of 2");
  expect(progress(items("done", "open"), true)).toBe("1 of 2");
});

it("does not say that nothing was done where nothing was ticked off", () => {
  expect(progress(items("open", "active", "open"), true)).toBe("3 points");
  expect(progress(items("open"), true)).toBe("1 point");
  expect(markOf("active", true).word).toBe("Not ticked off");
  expect(markOf("open", false).word).toBe("Open");
  expect(markOf("done", true).word).toBe("Done");
});
