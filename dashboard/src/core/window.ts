/**
 * What of a document is to be seen, in rows. Rows of chunks that were not read are guessed from those
 * that were; a place is told by its chunk, so that what is seen stays where it is when a guess is mended.
 */

import { CHUNK, chunks } from "./lines";

/** A place: the row of a chunk, with its fraction. */
export interface Position {
  chunk: number;
  row: number;
}

/** Rows `from` up to `to` of a chunk. */
export interface Rows {
  chunk: number;
  from: number;
  to: number;
}

/** Where the chunks are: `tops[i]` rows are above chunk `i`, the last are all. */
export interface Layout {
  tops: number[];
}

/** The tallest that a browser surely shows, in pixels. */
export const TALLEST = 8_000_000;

const GUESS = 1 / 64;

/** Lays out a document of `total` bytes; `counts` are the rows of the chunks that were read. */
export function layout(total: number, counts: ReadonlyMap<number, number>): Layout {
  const bytes = (chunk: number) => Math.min(CHUNK, total - chunk * CHUNK);
  let [known, seen] = [0, 0];
  for (const [chunk, rows] of counts) {
    known += rows;
    seen += Math.max(0, bytes(chunk));
  }
  const density = seen > 0 ? known / seen : GUESS;
  const tops = [0];
  for (let chunk = 0; chunk < chunks(total); chunk++) {
    const rows = counts.get(chunk) ?? Math.max(1, Math.round(bytes(chunk) * density));
    tops.push((tops[chunk] ?? 0) + rows);
  }
  return { tops };
}

/** How many rows there are. */
export function rows({ tops }: Layout): number {
  return tops.at(-1) ?? 0;
}

/** How many rows are above a place. */
export function rowOf({ tops }: Layout, { chunk, row }: Position): number {
  return (tops[Math.min(chunk, tops.length - 1)] ?? 0) + row;
}

/** The place with so many rows above it, as far as there are so many. */
export function place(layout: Layout, row: number): Position {
  const { tops } = layout;
  const wanted = Math.max(0, Math.min(row, rows(layout)));
  let [low, high] = [0, Math.max(0, tops.length - 2)];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((tops[middle] ?? 0) <= wanted) low = middle;
    else high = middle - 1;
  }
  return { chunk: low, row: wanted - (tops[low] ?? 0) };
}

/** The place from which the last rows are seen. */
export function end(layout: Layout, view: number): Position {
  return place(layout, rows(layout) - view);
}

/** Whether nothing is below what is seen. */
export function isAtEnd(layout: Layout, view: number, position: Position): boolean {
  return rowOf(layout, position) >= rows(layout) - view - 1;
}

/** The same place after some guesses were mended. */
export function mended(before: Layout, after: Layout, position: Position, view: number): Position {
  const guessed = height(before, position.chunk);
  const real = height(after, position.chunk);
  const row = position.row < real ? position.row : (position.row / Math.max(1, guessed)) * real;
  const bottom = end(after, view);
  const moved = { chunk: position.chunk, row };
  return rowOf(after, moved) > rowOf(after, bottom) ? bottom : moved;
}

/** What is seen from a place: whole rows, one chunk after another. */
export function seen(layout: Layout, position: Position, view: number): Rows[] {
  const top = rowOf(layout, position);
  const [from, to] = [Math.floor(top), Math.min(rows(layout), Math.ceil(top + view))];
  const found: Rows[] = [];
  for (let { chunk } = place(layout, from); chunk < layout.tops.length - 1; chunk++) {
    const above = layout.tops[chunk] ?? 0;
    if (above >= to) break;
    const range = {
      chunk,
      from: Math.max(0, from - above),
      to: Math.min(height(layout, chunk), to - above),
    };
    if (range.from < range.to) found.push(range);
  }
  return found;
}

/** A scroll bar of so many pixels for the document. */
export interface Bar {
  /** Height of a row. */
  row: number;
  /** Height of what is seen. */
  view: number;
}

/** How tall the whole is, for the scroll bar. */
export function tall(layout: Layout, bar: Bar): number {
  return Math.min(TALLEST, Math.ceil(rows(layout) * bar.row));
}

/** Where the scroll bar stands for a place. */
export function thumb(layout: Layout, bar: Bar, position: Position): number {
  const most = rows(layout) - bar.view / bar.row;
  const room = tall(layout, bar) - bar.view;
  return most <= 0 || room <= 0 ? 0 : (Math.min(most, rowOf(layout, position)) / most) * room;
}

/**
 * The place after the scroll bar moved. Little moves are as far as they look, also in a document that
 * is taller than its scroll bar; large ones are to a part of the whole.
 */
export function scrolled(
  layout: Layout, bar: Bar, position: Position, was: number, now: number,
): Position {
  const view = bar.view / bar.row;
  const most = Math.max(0, rows(layout) - view);
  const room = tall(layout, bar) - bar.view;
  if (now <= 0) return { chunk: 0, row: 0 };
  if (now >= room - 1) return place(layout, most);
  const isSmall = Math.abs(now - was) < 3 * bar.view;
  const row = isSmall ? rowOf(layout, position) + (now - was) / bar.row : (now / room) * most;
  return place(layout, Math.max(0, Math.min(most, row)));
}

function height({ tops }: Layout, chunk: number): number {
  return (tops[chunk + 1] ?? 0) - (tops[chunk] ?? 0);
}
