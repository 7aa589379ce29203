import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { Beside, MOST_FILES, MOST_OF_ALL, MOST_OF_ONE } from "./Beside";

const FILES = "/v1/jobs/0199/files/";
const AT = `${FILES}index.html`;

/** How long the files are that a server has, by their path; what it is asked for. */
const sizes = new Map<string, number>();
let asked: { path: string; range: string }[];

beforeEach(() => {
  asked = [];
  sizes.clear();
  vi.stubGlobal("fetch", async (path: string, { headers, signal }: { headers: { Range: string }; signal: AbortSignal }) => {
    signal.throwIfAborted();
    asked.push({ path, range: headers.Range });
    const size = sizes.get(path);
    if (size === undefined) return Response.json({ detail: "no such file", code: "no_such_file" }, { status: 404 });
    const sent = Math.min(size, Number(headers.Range.split("-")[1]) + 1);
    return new Response(new Uint8Array(sent), { status: 206, headers: { "Content-Range": `bytes 0-${sent - 1}/${size}` } });
  });
});
afterEach(() => vi.unstubAllGlobals());

const beside = () => new Beside(AT, new AbortController().signal);

it("fetches a file once, and only of its own job", async () => {
  sizes.set(`${FILES}a.png`, 10);
  const page = beside();
  for (const name of ["a.png", "./a.png", `${FILES}a.png?again`]) expect((await page.file(name))?.bytes.length).toBe(10);
  for (const name of ["/v1/system", "//evil.test/a.png", "../../0200/files/a.png", "http://["]) expect(await page.file(name)).toBeNull();
  expect(asked).toEqual([{ path: `${FILES}a.png`, range: `bytes=0-${MOST_OF_ONE - 1}` }]);
});

it("fetches so many and no more", async () => {
  const page = beside();
  for (let n = 0; n < 3 * MOST_FILES; n++) await page.file(`${n}.png`);
  expect(asked).toHaveLength(MOST_FILES);
});

it("fetches so much and no more", async () => {
  sizes.set(`${FILES}large`, MOST_OF_ONE + 1);
  for (let n = 0; n < 4; n++) sizes.set(`${FILES}${n}`, MOST_OF_ONE - 1);
  const page = beside();
  expect(await page.file("large")).toBeNull();
  let got = 0;
  for (let n = 0; n < 4; n++) got += (await page.file(`${n}`))?.bytes.length ?? 0;
  expect(got).toBe(2 * (MOST_OF_ONE - 1));
  expect(got).toBeLessThanOrEqual(MOST_OF_ALL);
  expect(asked.at(-1)?.range).toBe("bytes=0-1");
});

it("asks for nothing more when the page is left", async () => {
  const left = new AbortController();
  const page = new Beside(AT, left.signal);
  left.abort();
  expect(await page.file("a.png")).toBeNull();
  expect(asked).toEqual([]);
});
