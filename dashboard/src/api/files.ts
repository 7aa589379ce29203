/** The files of a job's workspace; of a job that is over, those in its ZIP. */

import { fetchOk, type Schemas } from "./client";

/** What is carried from one job to another at most: so many files and bytes, from so many directories. */
export const MOST_FILES = 200;
export const MOST_BYTES = 100 * 1024 * 1024;
export const MOST_DIRECTORIES = 200;

/** An agent's own memory, which it writes anew. */
const MEMORY = "context.txt";

export interface Carried {
  /** By their path in the workspace. */
  files: Map<string, File>;
  /** Whether that is all. */
  whole: boolean;
}

/** Where the server has a file, or a directory (which ends with a slash). */
export function addressOf(id: string, path: string): string {
  return `/v1/jobs/${id}/files/${path.split("/").map(encodeURIComponent).join("/")}`;
}

/** What is in a directory; the workspace itself is the empty path. */
export async function listed(id: string, path: string): Promise<Schemas["FileList"]> {
  const answer = await fetchOk(addressOf(id, path ? `${path}/` : ""));
  return (await answer.json()) as Schemas["FileList"];
}

/** The files that a job left, to be given to another. */
export async function carried(id: string): Promise<Carried> {
  const { paths, whole } = await found(id);
  const files = new Map<string, File>();
  for (const path of paths) {
    const answer = await fetchOk(addressOf(id, path));
    files.set(path, new File([await answer.blob()], path.split("/").at(-1) ?? path));
  }
  return { files, whole };
}

async function found(id: string): Promise<{ paths: string[]; whole: boolean }> {
  const [paths, directories] = [[] as string[], [""]];
  let [whole, left] = [true, MOST_BYTES];
  for (const directory of directories) {
    const { entries, more } = await listed(id, directory);
    whole &&= more === 0;
    for (const { name, kind, bytes } of entries) {
      const path = directory ? `${directory}/${name}` : name;
      if (kind === "directory" && directories.length < MOST_DIRECTORIES) directories.push(path);
      else if (kind === "file" && paths.length < MOST_FILES && bytes <= left) {
        left -= bytes;
        paths.push(path);
      } else whole = false;
    }
  }
  return { paths: paths.filter((path) => path !== MEMORY), whole };
}
