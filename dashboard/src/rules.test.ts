/** What holds for every file of the dashboard. */

import { expect, test } from "vitest";

import lock from "../package-lock.json?raw";

const scripts = import.meta.glob<string>(["./**/*.{ts,tsx}", "!./**/*.test.ts"], { query: "?raw", import: "default", eager: true });
const styles = import.meta.glob<string>("./**/*.css", { query: "?raw", import: "default", eager: true });

test("what a job wrote is only ever put in as text", () => {
  expect(Object.keys(scripts).length).toBeGreaterThan(20);
  for (const [file, script] of Object.entries(scripts)) {
    expect(script, file).not.toMatch(/innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function/i);
  }
});

test("a class belongs to one page or part: style sheets stay when their page is left", () => {
  const owners = new Map<string, string>();
  for (const [file, sheet] of Object.entries(styles)) {
    for (const [, selectors] of sheet.replace(/\/\*[\s\S]*?\*\//g, "").matchAll(/([^{};@]+)\{/g)) {
      for (const selector of selectors!.split(",")) {
        const root = /^\s*[a-z]*(\.[a-z][\w-]*)/.exec(selector)?.[1];
        if (!root) continue;
        const owner = file.replace(/(pages\/\w+)\/.*/, "$1");
        expect(owners.get(root) ?? owner, `who owns ${root}?`).toBe(owner);
        owners.set(root, owner);
      }
    }
  }
  expect(owners.size).toBeGreaterThan(50);
});

test("the lock file says which packages, not where one machine found them", () => {
  expect(lock).not.toContain('"resolved"');
});
