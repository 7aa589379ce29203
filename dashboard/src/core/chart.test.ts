import fc from "fast-check";
import { expect, it } from "vitest";
import { outline, rate, thin } from "./chart";

const points = fc.array(fc.record({ at: fc.nat(1e6), value: fc.nat(1e6) }), { maxLength: 200 })
  .map((all) => all.sort((a, b) => a.at - b.at));

it("thins to the greatest, the first and the last", () => {
  fc.assert(fc.property(points, fc.integer({ min: 3, max: 50 }), (all, most) => {
    const kept = thin(all, most);
    expect(kept.length).toBe(Math.min(all.length, most));
    expect(kept[0]).toBe(all[0]);
    expect(kept.at(-1)).toBe(all.at(-1));
    const greatest = (of: { value: number }[]) => Math.max(0, ...of.map(({ value }) => value));
    expect(greatest(kept)).toBe(greatest(all));
  }));
});

it("draws from side to side, and stays in its box", () => {
  const scale = { from: 0, to: 10, top: 4 };
  const box = { width: 100, height: 40 };
  expect(outline([{ at: 0, value: 0 }, { at: 10, value: 4 }, { at: 20, value: 9 }], scale, box).line)
    .toBe("M0 40L100 0L100 0");
  expect(outline([], scale, box)).toEqual({ line: "", area: "" });
});

it("tells how fast a sum grows", () => {
  expect(rate([{ at: 0, value: 0 }, { at: 10, value: 5 }, { at: 10, value: 6 }, { at: 20, value: 0 }]))
    .toEqual([{ at: 10, value: 0.5 }, { at: 10, value: 0 }, { at: 20, value: 0 }]);
});
