/** One file of a ZIP, read from where it lies: the whole need not be fetched. */

/** Gives the bytes `from` up to `to`. */
export type Read = (from: number, to: number) => Promise<Uint8Array>;

/** More than a runbook has, in bytes. */
const MOST = 32 * 1024 * 1024;

const END = 0x06054b50;
const END64 = 0x06064b50;
const END64_PLACE = 0x07064b50;
const ENTRY = 0x02014b50;

/** What a ZIP of `size` bytes has by this name; null if nothing. */
export async function entry(read: Read, size: number, name: string): Promise<Uint8Array | null> {
  const listed = await directory(read, size);
  const found = find(listed, name);
  if (!found || found.size > MOST) return null;
  const head = view(await read(found.at, found.at + 30));
  const begin = found.at + 30 + head.getUint16(26, true) + head.getUint16(28, true);
  const packed = found.size === 0 ? new Uint8Array() : await read(begin, begin + found.size);
  return found.method === 0 ? packed : inflate(packed);
}

async function directory(read: Read, size: number): Promise<DataView> {
  const from = Math.max(0, size - 66_000);
  const tail = view(await read(from, size));
  for (let at = tail.byteLength - 22; at >= 0; at--) {
    if (tail.getUint32(at, true) !== END) continue;
    let [bytes, begin] = [tail.getUint32(at + 12, true), tail.getUint32(at + 16, true)];
    if (at >= 20 && tail.getUint32(at - 20, true) === END64_PLACE) {
      const place = Number(tail.getBigUint64(at - 12, true));
      const end = view(await read(place, place + 56));
      if (end.getUint32(0, true) !== END64) break;
      [bytes, begin] = [Number(end.getBigUint64(40, true)), Number(end.getBigUint64(48, true))];
    }
    return view(bytes === 0 ? new Uint8Array() : await read(begin, begin + bytes));
  }
  throw new Error("The ZIP cannot be read.");
}

function find(listed: DataView, name: string): { at: number; size: number; method: number } | null {
  const wanted = new TextEncoder().encode(name);
  for (let at = 0; at + 46 <= listed.byteLength && listed.getUint32(at, true) === ENTRY; ) {
    const [long, extra, comment] = [28, 30, 32].map((n) => listed.getUint16(at + n, true)) as [number, number, number];
    if (long === wanted.length && wanted.every((byte, i) => listed.getUint8(at + 46 + i) === byte)) {
      const small = { size: listed.getUint32(at + 20, true), at: listed.getUint32(at + 42, true) };
      const whole = listed.getUint32(at + 24, true);
      return { ...large(listed, at + 46 + long, extra, whole, small), method: listed.getUint16(at + 10, true) };
    }
    at += 46 + long + extra + comment;
  }
  return null;
}

// Numbers too large for their place are in an extra field, one after another.
function large(listed: DataView, from: number, bytes: number, whole: number, small: { size: number; at: number }) {
  const NONE = 0xffffffff;
  for (let at = from; at + 4 <= from + bytes; at += 4 + listed.getUint16(at + 2, true)) {
    if (listed.getUint16(at, true) !== 1) continue;
    let next = at + 4 + (whole === NONE ? 8 : 0);
    const take = (value: number) => {
      if (value !== NONE) return value;
      next += 8;
      return Number(listed.getBigUint64(next - 8, true));
    };
    return { size: take(small.size), at: take(small.at) };
  }
  return small;
}

async function inflate(packed: Uint8Array): Promise<Uint8Array> {
  const stream = new Blob([packed as BlobPart]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
