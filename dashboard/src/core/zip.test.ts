import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { entry } from "./zip";

// Written by somebody else: Python's zipfile, also with the fields of large files.
const SCRIPT = `
import sys, zipfile
with zipfile.ZipFile(sys.argv[1], "w", zipfile.ZIP_DEFLATED) as z:
    z.writestr("a/b.txt", "x" * 5000)
    with z.open(zipfile.ZipInfo(".cagent/runbook.md"), "w", force_zip64=True) as f:
        f.write("# Grüße\\n".encode())
    z.writestr("empty", "")
    z.comment = b"PK\\x05\\x06 not the end"
`;

it("reads one file without the others", async () => {
  const folder = mkdtempSync(join(tmpdir(), "zip-"));
  try {
    execFileSync("python3", ["-c", SCRIPT, join(folder, "a.zip")]);
    const zip = new Uint8Array(readFileSync(join(folder, "a.zip")));
    const read = async (from: number, to: number) => zip.slice(from, to);
    const text = async (name: string) => {
      const bytes = await entry(read, zip.length, name);
      return bytes && new TextDecoder().decode(bytes);
    };
    expect(await text(".cagent/runbook.md")).toBe("# Grüße\n");
    expect(await text("a/b.txt")).toBe("x".repeat(5000));
    expect(await text("empty")).toBe("");
    expect(await text("none")).toBeNull();
    await expect(entry(read, 50, "x")).rejects.toThrow("cannot be read");
  } finally {
    rmSync(folder, { recursive: true });
  }
});
