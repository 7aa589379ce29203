/** The beginnings of files: no more of one is fetched than is of use. */

import { fetchOk, Refusal } from "./client";

export interface Beginning {
  bytes: Uint8Array;
  /** How long the whole file is. */
  size: number;
}

/** The first bytes of a file, at most so many; `whole`: none of one that is longer. */
export async function beginning(
  at: string, most: number, { signal, whole = false }: { signal: AbortSignal; whole?: boolean },
): Promise<Beginning> {
  const answer = await fetchOk(at, { headers: { Range: `bytes=0-${most - 1}` }, signal }).catch(nothing);
  if (!answer) return { bytes: new Uint8Array(), size: 0 };
  const told = Number(answer.headers.get("Content-Range")?.split("/")[1]);
  if (whole && told > most) {
    void answer.body?.cancel();
    return { bytes: new Uint8Array(), size: told };
  }
  const bytes = new Uint8Array(await answer.arrayBuffer());
  return { bytes, size: told || bytes.length };
}

// Of an empty file there is no part.
function nothing(error: unknown): null {
  if (error instanceof Refusal && error.status === 416) return null;
  throw error;
}
