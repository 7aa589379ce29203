import { afterEach, expect, it, vi } from "vitest";

import { carried, MOST_BYTES, MOST_DIRECTORIES, MOST_FILES } from "./files";

const FILES = "/v1/jobs/id/files/";

afterEach(() => vi.unstubAllGlobals());

const file = (name: string, bytes = 1) => ({ name, kind: "file", bytes });
const directory = (name: string) => ({ name, kind: "directory", bytes: 0 });

/** A server that has these directories; what it was asked for. */
function serve(directories: Record<string, object[]>, more = 0): string[] {
  const asked: string[] = [];
  vi.stubGlobal("fetch", async (path: string) => {
    asked.push(path);
    const entries = directories[path.slice(FILES.length)];
    return entries ? Response.json({ path, entries, more }) : new Response("content");
  });
  return asked;
}

it("carries files by their paths, but not what an agent remembers", async () => {
  serve({ "": [file("context.txt"), directory("a b"), file("x"), { name: "l", kind: "link", bytes: 0 }], "a%20b/": [file("y")] });
  const { files, whole } = await carried("id");
  expect([...files.keys()]).toEqual(["x", "a b/y"]);
  expect(await files.get("a b/y")?.text()).toBe("content");
  expect(whole).toBe(false);
});

it("carries all of it, if it can", async () => {
  serve({ "": [file("x"), directory("d")], "d/": [] });
  expect((await carried("id")).whole).toBe(true);
  serve({ "": [file("x")] }, 5);
  expect((await carried("id")).whole).toBe(false);
});

it("carries so much and no more", async () => {
  serve({ "": Array.from({ length: MOST_FILES + 1 }, (_, i) => file(`${i}`)) });
  expect(await carried("id")).toMatchObject({ files: { size: MOST_FILES }, whole: false });
  serve({ "": [file("a", MOST_BYTES - 1), file("b", 2), file("c", 1)] });
  expect([...(await carried("id")).files.keys()]).toEqual(["a", "c"]);
  const endless = new Proxy({}, { get: (_, path: string) => (path === "" || path.endsWith("/") ? [directory("d")] : undefined) });
  const asked = serve(endless as Record<string, object[]>);
  expect((await carried("id")).whole).toBe(false);
  expect(asked).toHaveLength(MOST_DIRECTORIES);
});
