import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { append, CHUNK, chunks, cut, decode, lines, needed, size, type Span, streamAt, TAIL } from "./lines";

// A document as somebody would write it: runs of bytes of one stream or the other.
const piece = fc.record({
  stream: fc.constantFrom("stdout" as const, "stderr" as const),
  long: fc.oneof(
    fc.integer({ min: 1, max: 300 }),
    fc.integer({ min: 1, max: 2 * CHUNK }),
    fc.constantFrom(CHUNK, CHUNK - 1, CHUNK + 1, TAIL, CHUNK + TAIL, CHUNK + TAIL - 1),
  ),
  every: fc.constantFrom(1, 7, 80, TAIL - 1, TAIL + 1, CHUNK, 1e9),
});

function write(pieces: { stream: "stdout" | "stderr"; long: number; every: number }[]) {
  const spans: Span[] = [];
  const written = { stdout: 0, stderr: 0 };
  const all: number[] = [];
  for (const { stream, long, every } of pieces) {
    append(spans, stream, written[stream], long);
    written[stream] += long;
    for (let i = 1; i <= long; i++) all.push(i % every === 0 ? 10 : 97);
  }
  return { spans, bytes: Uint8Array.from(all) };
}

function all(bytes: Uint8Array, spans: Span[]) {
  return Array.from({ length: chunks(bytes.length) }, (_, chunk) => {
    const { from, to } = needed(chunk, bytes.length);
    return lines(bytes.subarray(from, to), chunk, bytes.length, spans);
  });
}

describe("lines of chunks", () => {
  it("cover the document once, in order, and are broken only where they must be", () => {
    fc.assert(fc.property(fc.array(piece, { maxLength: 5 }), (pieces) => {
      const { spans, bytes } = write(pieces);
      let at = 0;
      for (const [chunk, { starts, end }] of all(bytes, spans).entries()) {
        if (starts.length > 0 && starts[0] !== at) expect(starts[0]).toBe(at);
        for (let i = 1; i < starts.length; i++) if (starts[i]! <= starts[i - 1]!) throw Error("not in order");
        for (const start of starts) {
          const isTurn = spans.some((span) => span.at === start);
          const mustBe = start === 0 || bytes[start - 1] === 10 || isTurn || start === chunk * CHUNK;
          if (!mustBe) throw Error(`broken at ${start}`);
        }
        at = starts.length > 0 ? end : at;
      }
      expect(at).toBe(bytes.length);
    }), { numRuns: 60 });
  });

  it("end at every line feed and every turn", () => {
    const { spans, bytes } = write([
      { stream: "stdout", long: 5, every: 2 },
      { stream: "stderr", long: 3, every: 3 },
      { stream: "stdout", long: 2, every: 9 },
    ]);
    expect(all(bytes, spans)[0]).toEqual({ starts: [0, 2, 4, 5, 8], end: 10 });
    expect(decode(bytes, 0, { from: 5, to: 8 })).toBe("aa");
    expect(streamAt(spans, 7)).toBe("stderr");
    expect(streamAt(spans, 8)).toBe("stdout");
  });

  it("do not move when more is written, but for the last", () => {
    fc.assert(fc.property(fc.array(piece, { minLength: 1, maxLength: 3 }), fc.nat(), (pieces, seed) => {
      const { spans, bytes } = write(pieces);
      const less = 1 + (seed % bytes.length);
      const before = all(bytes.subarray(0, less), cut(spans, { from: 0, to: less }));
      const after = all(bytes, spans).flatMap(({ starts }) => starts);
      const kept = before.flatMap(({ starts }) => starts);
      expect(after.slice(0, kept.length)).toEqual(kept);
    }), { numRuns: 60 });
  });

  it("are decoded whatever they are", () => {
    const bytes = Uint8Array.from([0xff, 0x61, 0xc3, 13, 10]);
    expect(decode(bytes, 0, { from: 0, to: 5 })).toBe("\ufffda\ufffd");
  });
});

describe("spans", () => {
  it("grow together and are cut apart", () => {
    const spans: Span[] = [];
    append(spans, "stdout", 100, 10);
    append(spans, "stdout", 110, 5);
    append(spans, "stderr", 0, 4);
    append(spans, "stdout", 200, 1);
    expect(spans.length).toBe(3);
    expect(size(spans)).toBe(20);
    expect(cut(spans, { from: 12, to: 17 })).toEqual([
      { at: 12, stream: "stdout", offset: 112, bytes: 3 },
      { at: 15, stream: "stderr", offset: 0, bytes: 2 },
    ]);
    expect(cut([], { from: 0, to: 9 })).toEqual([]);
  });
});
