import fc from "fast-check";
import { expect, it } from "vitest";

import { bare } from "./ansi";
import { find } from "./find";
import { append, lines, type Span } from "./lines";

function found(text: string, words: string): number[] {
  const bytes = new TextEncoder().encode(text);
  const spans: Span[] = [];
  append(spans, "stdout", 0, bytes.length);
  return find(bytes, 0, lines(bytes, 0, bytes.length, spans), words);
}

it("finds rows by what is seen of them", () => {
  expect(found("one\ntwo\nOne more", "ONE")).toEqual([0, 2]);
  expect(found("a\n\x1b[32mnum\x1b[0mber 5\nnumber 5", "number 5")).toEqual([1, 2]);
  expect(found("\x1b]0;not at its end\nhere it is", "here")).toEqual([1]);
  expect(found("two li\nnes", "lines")).toEqual([]);
  expect(found("Grüße\n", "grüße")).toEqual([0]);
  expect(found("\x1b[31m", "31")).toEqual([]);
});

it("finds the same as who looks at every row", () => {
  const piece = fc.constantFrom("a", "B", " ", "\n", "é", "\x1b[1m", "\x1b]8;;x\x07", "\r", "\x9b31m", "\x1b");
  fc.assert(fc.property(fc.array(piece, { maxLength: 60 }), fc.constantFrom("a", "ab", "bé", "a b"), (pieces, words) => {
    const text = pieces.join("");
    const rows = text.split("\n").flatMap((row, i) => (bare(row.replace(/\r$/, "")).toLowerCase().includes(words) ? [i] : []));
    expect(found(text, words)).toEqual(rows);
  }));
});
