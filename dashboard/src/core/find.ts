/** Which rows of a chunk of output say something, whatever their colours and their capitals. */

import { bare } from "./ansi";
import { decode, type Lines } from "./lines";

/** The rows with such words; `bytes` begin at `base` of the document. */
export function find(bytes: Uint8Array, base: number, { starts, end }: Lines, words: string): number[] {
  const sought = words.toLowerCase();
  // Most chunks have none, and are told so at once.
  const whole = DECODER.decode(bytes);
  if (!ESCAPE.test(whole) && !whole.toLowerCase().includes(sought)) return [];
  return starts.flatMap((from, row) => {
    const text = decode(bytes, base, { from, to: starts[row + 1] ?? end });
    return bare(text).toLowerCase().includes(sought) ? [row] : [];
  });
}

const DECODER = new TextDecoder("utf-8", { ignoreBOM: true });

const ESCAPE = /[\x1b\x80-\x9f]/;
