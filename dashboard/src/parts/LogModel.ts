/** What a `Log` shows: which lines of a document are seen, which of them are there, what is read next. */

import { signal } from "@preact/signals";

import { told } from "../api/client";
import { after, line, type Line, PLAIN, type Style } from "../core/ansi";
import { CHUNK, decode, lines, needed, size, type Span, type Stream, streamAt } from "../core/lines";
import * as win from "../core/window";
import type { LogBytes } from "./LogBytes";
import type { Hit } from "./LogSearch";

/** A line as it is shown. */
export interface Row {
  key: string;
  stream: Stream;
  /** None while it is not read. */
  line: Line | null;
  /** Whether it is the rest of a line too long to be one. */
  goesOn: boolean;
  /** What was looked for, in the row where it was found. */
  words: string;
}

/** The most characters of a line that are shown. */
export const MOST = 2000;

/** How many chunks are kept. */
const KEPT = 12;

/** Between two looks at what a running job writes, in ms. */
const PAUSE = 80;

type Styles = Record<Stream, Style>;

interface Chunk {
  bytes: Uint8Array;
  base: number;
  starts: number[];
  end: number;
  /** How each line begins; none where it is as the first. */
  styles: Styles[] | null;
  first: Styles;
  last: Styles;
  /** How much of the document was known. */
  total: number;
  shown: Map<number, Line>;
}

const NO_STYLES: Styles = { stdout: PLAIN, stderr: PLAIN };

export class LogModel {
  /** Counts what changed. */
  readonly version = signal(0);
  /** Why nothing more can be read, if so. */
  readonly failure = signal<string | null>(null);

  layout: win.Layout = win.layout(0, new Map());
  position: win.Position = { chunk: 0, row: 0 };
  /** Whether the end is to be seen, wherever it is. */
  following: boolean;
  /** What was found last. */
  hit: Hit | null = null;

  private total = 0;
  private view = 1;
  private reading = false;
  private readonly counts = new Map<number, number>();
  private readonly chunks = new Map<number, Chunk>();

  constructor(
    private readonly source: LogBytes,
    private spans: readonly Span[],
    following: boolean,
  ) {
    this.following = following;
  }

  /** There may be more of it. */
  grow(spans: readonly Span[]): void {
    this.spans = spans;
    if (size(spans) === this.total) return;
    this.total = size(spans);
    this.laid();
    this.retry();
  }

  /** So many rows can be seen. */
  resize(view: number): void {
    if (view === this.view) return;
    this.view = view;
    this.laid();
    void this.read();
  }

  /** The scroll bar was moved. */
  scrolled(bar: win.Bar, was: number, now: number): void {
    this.position = win.scrolled(this.layout, bar, this.position, was, now);
    this.following = win.isAtEnd(this.layout, this.view, this.position);
    this.version.value += 1;
    void this.read();
  }

  /** Goes to the end and stays there. */
  follow(): void {
    this.following = true;
    this.laid();
    void this.read();
  }

  /** Goes to a row that was found, with some above it; or to none. */
  show(hit: Hit | null): void {
    this.hit = hit;
    if (hit) {
      this.following = false;
      this.counts.set(hit.chunk, hit.rows);
      this.position = { chunk: hit.chunk, row: Math.max(0, hit.row - Math.floor(this.view / 3)) };
    }
    this.laid();
    void this.read();
  }

  /** Reads again what could not be read. */
  retry(): void {
    this.failure.value = null;
    void this.read();
  }

  /** What is seen now. */
  rows(): Row[] {
    return win.seen(this.layout, this.position, this.view + 1).flatMap(({ chunk, from, to }) =>
      Array.from({ length: to - from }, (_, i) => this.row(chunk, from + i)));
  }

  private row(number: number, row: number): Row {
    const chunk = this.chunks.get(number);
    const start = chunk?.starts[row];
    const key = `${number}.${row}`;
    const words = this.hit?.chunk === number && this.hit.row === row ? this.hit.words : "";
    if (!chunk || start === undefined) {
      return { key, stream: streamAt(this.spans, number * CHUNK), line: null, goesOn: false, words };
    }
    return {
      key,
      words,
      stream: streamAt(this.spans, start),
      line: this.lineAt(chunk, row, start),
      goesOn: row === 0 && start > 0 && chunk.bytes[start - chunk.base - 1] !== 10
        && streamAt(this.spans, start - 1) === streamAt(this.spans, start),
    };
  }

  private lineAt(chunk: Chunk, row: number, start: number): Line {
    const known = chunk.shown.get(row);
    if (known) return known;
    const text = decode(chunk.bytes, chunk.base, { from: start, to: chunk.starts[row + 1] ?? chunk.end });
    const made = line(text, (chunk.styles?.[row] ?? chunk.first)[streamAt(this.spans, start)], MOST);
    if (chunk.shown.size > 5000) chunk.shown.clear();
    chunk.shown.set(row, made);
    return made;
  }

  // One look after the other, until all that is seen is there.
  private async read(): Promise<void> {
    if (this.reading) return;
    this.reading = true;
    try {
      for (let next = this.missing(); next !== null && !this.failure.peek(); next = this.missing()) {
        const isMore = this.chunks.has(next);
        await this.load(next);
        if (isMore) await new Promise((done) => setTimeout(done, PAUSE));
      }
    } catch (error) {
      this.failure.value = told(error);
    } finally {
      this.reading = false;
    }
  }

  private missing(): number | null {
    const around = win.seen(this.layout, this.position, this.view + 20);
    const last = around.at(-1)?.chunk ?? 0;
    // The end of a chunk's last line may be in the next.
    for (const chunk of [...around.map((rows) => rows.chunk), last + 1]) {
      if (chunk * CHUNK < this.total && !this.isKnown(chunk)) return chunk;
    }
    return null;
  }

  private isKnown(number: number): boolean {
    const chunk = this.chunks.get(number);
    return chunk !== undefined && needed(number, this.total).to <= needed(number, chunk.total).to;
  }

  private async load(number: number): Promise<void> {
    const total = this.total;
    const range = needed(number, total);
    const bytes = await this.source.read(this.spans, range);
    const { starts, end } = lines(bytes, number, total, this.spans);
    const before = this.chunks.get(number);
    const first = this.chunks.get(number - 1)?.last ?? before?.first ?? NO_STYLES;
    const chunk: Chunk = {
      bytes, base: range.from, starts, end, styles: null, first, last: first, total, shown: new Map(),
    };
    this.style(chunk, before);
    this.chunks.delete(number);
    this.chunks.set(number, chunk);
    this.counts.set(number, starts.length);
    this.restyle(number + 1, chunk.last);
    this.forget(number);
    this.laid();
  }

  // Colours go on from line to line, and from chunk to chunk.
  private style(chunk: Chunk, before?: Chunk): void {
    if (chunk.bytes.indexOf(27) < 0) return;
    const isMore = before?.styles && before.starts.length > 0 && before.first === chunk.first;
    const styles = isMore ? before.styles!.slice(0, before.starts.length) : [chunk.first];
    for (let row = styles.length - 1; row < chunk.starts.length; row++) {
      const from = chunk.starts[row] as number;
      const stream = streamAt(this.spans, from);
      const now = styles[row] as Styles;
      const text = decode(chunk.bytes, chunk.base, { from, to: chunk.starts[row + 1] ?? chunk.end });
      const next = after(text, now[stream]);
      styles.push(next === now[stream] ? now : { ...now, [stream]: next });
    }
    chunk.styles = styles;
    chunk.last = styles.at(-1) ?? chunk.first;
  }

  private restyle(number: number, first: Styles): void {
    const chunk = this.chunks.get(number);
    if (!chunk || chunk.first === first) return;
    const isSame = chunk.first.stdout === first.stdout && chunk.first.stderr === first.stderr;
    if (isSame) return;
    chunk.first = chunk.last = first;
    chunk.shown.clear();
    this.style(chunk);
    this.restyle(number + 1, chunk.last);
  }

  private forget(near: number): void {
    while (this.chunks.size > KEPT) {
      const far = [...this.chunks.keys()].reduce((a, b) => (Math.abs(b - near) > Math.abs(a - near) ? b : a));
      this.chunks.delete(far);
    }
  }

  private laid(): void {
    const before = this.layout;
    this.layout = win.layout(this.total, this.counts);
    this.position = this.following
      ? win.end(this.layout, this.view)
      : win.mended(before, this.layout, this.position, this.view);
    this.version.value += 1;
  }
}
