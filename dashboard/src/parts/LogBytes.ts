/** The bytes of a job's log files: read once, piece by piece, and kept while they are of use. */

import { fetchOk, Refusal } from "../api/client";
import { cut, type Range, type Span, type Stream } from "../core/lines";

/** How much of a log file is asked for at once, in bytes. */
const BLOCK = 256 * 1024;

/** How many of them are kept. */
const KEPT = 32;

/** What is known of a block, from its beginning. */
interface Block {
  bytes: Uint8Array;
  reading: Promise<void> | null;
}

export class LogBytes {
  private readonly blocks = new Map<string, Block>();

  constructor(private readonly job: string) {}

  /** Those of a part of a document. What its log has not is blank. */
  async read(spans: readonly Span[], range: Range): Promise<Uint8Array> {
    const pieces = cut(spans, range).flatMap(inBlocks);
    const ends = new Map<string, { stream: Stream; block: number; end: number }>();
    for (const { stream, block, begin, bytes } of pieces) {
      const key = keyOf(stream, block);
      ends.set(key, { stream, block, end: Math.max(ends.get(key)?.end ?? 0, begin + bytes) });
    }
    await Promise.all([...ends.values()].map(({ stream, block, end }) => this.ensure(stream, block, end)));
    const whole = new Uint8Array(range.to - range.from).fill(32);
    for (const { stream, block, begin, bytes, at } of pieces) {
      const known = this.blocks.get(keyOf(stream, block))?.bytes.subarray(begin, begin + bytes);
      if (known) whole.set(known, at - range.from);
    }
    this.forget();
    return whole;
  }

  private async ensure(stream: Stream, block: number, end: number): Promise<void> {
    const key = keyOf(stream, block);
    const found = this.blocks.get(key) ?? { bytes: new Uint8Array(), reading: null };
    // Those used last are at the end.
    this.blocks.delete(key);
    this.blocks.set(key, found);
    await found.reading?.catch(() => {});
    if (found.bytes.length >= end) return;
    found.reading ??= this.more(stream, block, found).finally(() => (found.reading = null));
    await found.reading;
  }

  private async more(stream: Stream, block: number, to: Block): Promise<void> {
    const from = block * BLOCK + to.bytes.length;
    const asked = { headers: { Range: `bytes=${from}-${(block + 1) * BLOCK - 1}` } };
    const got = await fetchOk(`/logs/${this.job}/${stream}`, asked).catch(beyond);
    if (!got) return;
    const answer = new Uint8Array(await got.arrayBuffer());
    // A server that sends the whole log was not asked for it, and is not to fill our memory.
    const bytes = got.status === 206 ? answer : answer.subarray(from, (block + 1) * BLOCK);
    const joined = new Uint8Array(to.bytes.length + bytes.length);
    joined.set(to.bytes);
    joined.set(bytes, to.bytes.length);
    to.bytes = joined;
  }

  private forget(): void {
    for (const [key, { reading }] of this.blocks) {
      if (this.blocks.size <= KEPT) return;
      if (!reading) this.blocks.delete(key);
    }
  }
}

function keyOf(stream: Stream, block: number): string {
  return `${stream} ${block}`;
}

function inBlocks({ at, stream, offset, bytes }: Span) {
  const pieces: { at: number; stream: Stream; block: number; begin: number; bytes: number }[] = [];
  for (let done = 0; done < bytes; ) {
    const block = Math.floor((offset + done) / BLOCK);
    const begin = offset + done - block * BLOCK;
    const now = Math.min(bytes - done, BLOCK - begin);
    pieces.push({ at: at + done, stream, block, begin, bytes: now });
    done += now;
  }
  return pieces;
}

// Nothing is there: the log is shorter than its events say.
function beyond(error: unknown): null {
  if (error instanceof Refusal && error.status === 416) return null;
  throw error;
}
