/** What a page of a job names among the job's files: each fetched once, so many and so much in all. */

import { beginning } from "../api/beginning";
import { placeOf } from "../core/place";

/** How many files are fetched for a page. */
export const MOST_FILES = 100;

/** How large one may be, and all together, in bytes. */
export const MOST_OF_ONE = 8 * 1024 * 1024;
export const MOST_OF_ALL = 16 * 1024 * 1024;

export interface Found {
  path: string;
  bytes: Uint8Array;
  /** Where a picture is shown from, once it is. */
  address?: Promise<string>;
}

export class Beside {
  private readonly known = new Map<string, Found | null>();
  private left = MOST_OF_ALL;

  /** `at` is where the server has the page. */
  constructor(
    private readonly at: string,
    private readonly signal: AbortSignal,
  ) {}

  /** The file by the name that the page has for it; null if there is none, or it is too large. */
  async file(name: string, most = MOST_OF_ONE): Promise<Found | null> {
    const path = placeOf(name, this.at);
    if (path === null) return null;
    const known = this.known.get(path);
    if (known !== undefined || this.known.size >= MOST_FILES) return known ?? null;
    this.known.set(path, null);
    const file = await this.fetched(path, Math.min(most, this.left));
    this.known.set(path, file);
    return file;
  }

  private async fetched(path: string, most: number): Promise<Found | null> {
    if (most <= 0 || this.signal.aborted) return null;
    const found = await beginning(path, most, { signal: this.signal, whole: true }).catch(() => null);
    if (!found || found.bytes.length === 0) return null;
    this.left -= found.bytes.length;
    return { path, bytes: found.bytes };
  }
}
