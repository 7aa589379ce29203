/** Looks through a document for words, one chunk after the other and around its end, until somebody stops it. */

import { signal } from "@preact/signals";

import { find } from "../core/find";
import { chunks, type Lines, lines, needed, size, type Span } from "../core/lines";
import type { Position } from "../core/window";
import type { LogBytes } from "./LogBytes";

/** A row that has the words. */
export interface Hit extends Position {
  /** In small letters. */
  words: string;
  /** How many rows its chunk has. */
  rows: number;
}

export class LogSearch {
  /** How much was looked through, up to 1; null while nobody looks. */
  readonly looked = signal<number | null>(null);
  private turn = 0;

  constructor(private readonly source: LogBytes) {}

  /** The next row after a place (`by` 1) or before it; null if there is none, undefined if it was stopped. */
  async look(spans: readonly Span[], words: string, from: Position, by: 1 | -1): Promise<Hit | null | undefined> {
    const mine = (this.turn += 1);
    const total = size(spans);
    const all = chunks(total);
    try {
      // The chunk where it begins comes last again, for its other side.
      for (let done = 0; all > 0 && done <= all; done++) {
        this.looked.value = done / all;
        const chunk = (from.chunk + by * done + 2 * all) % all;
        const read = await this.read(spans, chunk, total);
        if (mine !== this.turn) return undefined;
        const rows = find(read.bytes, read.base, read, words).filter((row) => done > 0 || (row - from.row) * by > 0);
        const row = rows.at(by > 0 ? 0 : -1);
        if (row !== undefined) return { chunk, row, rows: read.starts.length, words: words.toLowerCase() };
      }
      return null;
    } finally {
      if (mine === this.turn) this.looked.value = null;
    }
  }

  stop(): void {
    this.turn += 1;
    this.looked.value = null;
  }

  private async read(spans: readonly Span[], chunk: number, total: number): Promise<Lines & { bytes: Uint8Array; base: number }> {
    const range = needed(chunk, total);
    const bytes = await this.source.read(spans, range);
    return { ...lines(bytes, chunk, total, spans), bytes, base: range.from };
  }
}
