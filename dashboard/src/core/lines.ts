/**
 * A job's output as a document: the places in its log files one after another, read chunk by chunk, and
 * where the lines of a chunk begin.
 *
 * Every line belongs to the one chunk in which it begins. A line that goes on for longer than `TAIL`
 * past the end of its chunk is broken there, so that a chunk is known from its own bytes and few more.
 */

/** A log file of a job. */
export type Stream = "stdout" | "stderr";

/** Bytes of a log file, and where they are in the document. */
export interface Span {
  at: number;
  stream: Stream;
  offset: number;
  bytes: number;
}

/** Bytes of the document: `from` up to `to`. */
export interface Range {
  from: number;
  to: number;
}

/** The lines of a chunk. */
export interface Lines {
  /** Where each begins; it ends where the next one does. */
  starts: number[];
  /** Where the last one ends. */
  end: number;
}

/** How much of a document is one chunk, in bytes. */
export const CHUNK = 256 * 1024;
/** How far a line may go on past the end of its chunk. */
export const TAIL = 16 * 1024;

const FEED = 10;

/** Adds what was written to the end of a document. */
export function append(spans: Span[], stream: Stream, offset: number, bytes: number): void {
  const last = spans.at(-1);
  if (last && last.stream === stream && last.offset + last.bytes === offset) last.bytes += bytes;
  else spans.push({ at: size(spans), stream, offset, bytes });
}

/** How long a document is, in bytes. */
export function size(spans: readonly Span[]): number {
  const last = spans.at(-1);
  return last ? last.at + last.bytes : 0;
}

/** The spans, cut to a part of the document. */
export function cut(spans: readonly Span[], { from, to }: Range): Span[] {
  const found: Span[] = [];
  for (let i = indexAt(spans, from); i < spans.length; i++) {
    const span = spans[i] as Span;
    if (span.at >= to) break;
    const begin = Math.max(from, span.at);
    const bytes = Math.min(to, span.at + span.bytes) - begin;
    if (bytes > 0) found.push({ ...span, at: begin, offset: span.offset + begin - span.at, bytes });
  }
  return found;
}

/** The stream that wrote what is at a place of the document. */
export function streamAt(spans: readonly Span[], at: number): Stream {
  return spans[indexAt(spans, at)]?.stream ?? "stdout";
}

/** How many chunks a document of so many bytes has. */
export function chunks(total: number): number {
  return Math.ceil(total / CHUNK);
}

/** What must be read to know the lines of a chunk. */
export function needed(chunk: number, total: number): Range {
  const from = Math.max(0, chunk * CHUNK - 1);
  return { from, to: Math.min(total, (chunk + 1) * CHUNK + TAIL) };
}

/** The lines that begin in a chunk; `bytes` are those that are `needed`. */
export function lines(
  bytes: Uint8Array, chunk: number, total: number, spans: readonly Span[],
): Lines {
  const base = needed(chunk, total).from;
  const turns = turnsOf(spans, { from: base, to: base + bytes.length });
  const isStart = (at: number) => bytes[at - base - 1] === FEED || turns.has(at);
  const begin = first(chunk, total, bytes, base, isStart);
  const end = (chunk + 1) * CHUNK >= total ? total : first(chunk + 1, total, bytes, base, isStart);
  const starts: number[] = begin < end ? [begin] : [];
  const sorted = [...turns].filter((at) => at > begin && at < end);
  let turn = 0;
  for (let at = begin; ; ) {
    const feed = bytes.indexOf(FEED, at - base);
    let next = feed < 0 ? end : base + feed + 1;
    while (turn < sorted.length && (sorted[turn] as number) <= at) turn++;
    next = Math.min(next, sorted[turn] ?? end);
    if (next >= end) return { starts, end };
    starts.push(next);
    at = next;
  }
}

/** The line that begins at `from`, without its line feed, as text. Bytes that are no UTF-8 become U+FFFD. */
export function decode(bytes: Uint8Array, base: number, { from, to }: Range): string {
  const end = bytes[to - base - 1] === FEED ? to - 1 : to;
  const text = DECODER.decode(bytes.subarray(from - base, end - base));
  return text.endsWith("\r") ? text.slice(0, -1) : text;
}

const DECODER = new TextDecoder("utf-8", { ignoreBOM: true });

// Where the first line of a chunk begins. Undecided is where the document ends so far.
function first(
  chunk: number, total: number, bytes: Uint8Array, base: number, isStart: (at: number) => boolean,
): number {
  const begin = chunk * CHUNK;
  if (chunk === 0) return 0;
  for (let at = begin; at < Math.min(begin + TAIL, total); at++) if (isStart(at)) return at;
  if (begin + TAIL > total) return total;
  let at = begin;
  while (at < begin + 3 && ((bytes[at - base] ?? 0) & 0xc0) === 0x80) at++;
  return at;
}

// A line ends where the other stream goes on.
function turnsOf(spans: readonly Span[], range: Range): Set<number> {
  const turns = new Set<number>();
  for (let i = Math.max(1, indexAt(spans, range.from)); i < spans.length; i++) {
    const span = spans[i] as Span;
    if (span.at > range.to) break;
    if (span.at >= range.from && spans[i - 1]?.stream !== span.stream) turns.add(span.at);
  }
  return turns;
}

function indexAt(spans: readonly Span[], at: number): number {
  let low = 0;
  let high = spans.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((spans[middle] as Span).at <= at) low = middle;
    else high = middle - 1;
  }
  return low;
}
