/** Where what a page of a job names is, if that is among the files of the same job. */

/** No server's: an address that says which server it is on is none of a file beside the page. */
const NOWHERE = "http://nowhere.invalid";

/** `name` as the page at `at` has it, such as `../style.css`; null if it is no file of the job. */
export function placeOf(name: string, at: string): string | null {
  const files = /^\/v1\/jobs\/[^/]+\/files\//.exec(at)?.[0];
  const url = parsed(name, NOWHERE + at);
  if (!files || !url || url.origin !== NOWHERE) return null;
  return url.pathname.startsWith(files) && !url.pathname.endsWith("/") ? url.pathname : null;
}

function parsed(name: string, base: string): URL | null {
  try {
    return new URL(name, base);
  } catch {
    return null;
  }
}
