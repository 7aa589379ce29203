import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CHUNK, chunks } from "./lines";
import {
  end, isAtEnd, layout, mended, place, rowOf, rows, scrolled, seen, tall, TALLEST, thumb,
} from "./window";

const document = fc.integer({ min: 0, max: 40 * CHUNK }).chain((total) =>
  fc.array(fc.tuple(fc.nat(Math.max(0, chunks(total) - 1)), fc.nat(9000)), { maxLength: 20 })
    .map((known) => ({ total, counts: new Map(total ? known : []) })));
const BAR = { row: 20, view: 400 };
const VIEW = BAR.view / BAR.row;

describe("a window", () => {
  it("has each row once, without gaps", () => {
    fc.assert(fc.property(document, fc.double({ min: 0, max: 1, noNaN: true }), fc.integer({ min: 1, max: 200 }),
      ({ total, counts }, part, view) => {
        const all = layout(total, counts);
        const position = place(all, part * rows(all));
        let next = Math.floor(rowOf(all, position));
        for (const range of seen(all, position, view)) {
          expect(rowOf(all, { chunk: range.chunk, row: range.from })).toBe(next);
          expect(range.to).toBeGreaterThan(range.from);
          next += range.to - range.from;
        }
        expect(next).toBe(Math.min(rows(all), Math.ceil(rowOf(all, position) + view)));
      }));
  });

  it("that moves down by its height sees every row", () => {
    fc.assert(fc.property(document, ({ total, counts }) => {
      const all = layout(total, counts);
      let count = 0;
      for (let top = 0; top < rows(all); top += 1000) {
        for (const { from, to } of seen(all, place(all, top), 1000)) count += to - from;
      }
      expect(count).toBe(rows(all));
    }));
  });

  it("stays at its row when guesses above it are mended", () => {
    const [total, seenChunk] = [10 * CHUNK, 6];
    const before = layout(total, new Map([[seenChunk, 4000]]));
    const after = layout(total, new Map([[seenChunk, 4000], [5, 10], [2, 100_000]]));
    const position = { chunk: seenChunk, row: 12.5 };
    expect(mended(before, after, position, VIEW)).toEqual(position);
    const guessed = { chunk: 3, row: 2048 };
    const moved = mended(layout(total, new Map()), layout(total, new Map([[3, 100]])), guessed, VIEW);
    expect(moved).toEqual({ chunk: 3, row: 50 });
  });

  it("is at the end only there", () => {
    const all = layout(CHUNK, new Map([[0, 1000]]));
    expect(isAtEnd(all, VIEW, end(all, VIEW))).toBe(true);
    expect(isAtEnd(all, VIEW, { chunk: 0, row: 970 })).toBe(false);
    const short = layout(100, new Map([[0, 3]]));
    expect(end(short, VIEW)).toEqual({ chunk: 0, row: 0 });
    expect(isAtEnd(short, VIEW, { chunk: 0, row: 0 })).toBe(true);
    expect(seen(layout(0, new Map()), { chunk: 0, row: 0 }, VIEW)).toEqual([]);
  });
});

describe("the scroll bar", () => {
  const huge = layout(400 * CHUNK, new Map([[0, 5000]]));

  it("is never too tall, and reaches both ends", () => {
    expect(tall(huge, BAR)).toBe(TALLEST);
    expect(scrolled(huge, BAR, place(huge, 77), 5, 0)).toEqual({ chunk: 0, row: 0 });
    const bottom = scrolled(huge, BAR, place(huge, 77), 5, TALLEST - BAR.view);
    expect(rowOf(huge, bottom)).toBeCloseTo(rows(huge) - VIEW);
  });

  it("moves by as much as it looks, and jumps to where it is pulled", () => {
    const from = place(huge, 10_000);
    const at = thumb(huge, BAR, from);
    expect(rowOf(huge, scrolled(huge, BAR, from, at, at + 100))).toBeCloseTo(10_005);
    const half = scrolled(huge, BAR, from, at, (TALLEST - BAR.view) / 2);
    expect(rowOf(huge, half)).toBeCloseTo((rows(huge) - VIEW) / 2);
  });

  it("stands where its place is", () => {
    fc.assert(fc.property(document, fc.double({ min: 0, max: 1, noNaN: true }), ({ total, counts }, part) => {
      const all = layout(total, counts);
      const position = place(all, part * Math.max(0, rows(all) - VIEW));
      const at = thumb(all, BAR, position);
      expect(at).toBeGreaterThanOrEqual(0);
      expect(at).toBeLessThanOrEqual(tall(all, BAR));
    }));
  });
});
