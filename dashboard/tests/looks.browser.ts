/** How each page looks and reads: light and dark, wide and on a phone, for eyes and for programs that read it aloud. */

import { copyFileSync, mkdirSync, statSync } from "node:fs";
import { join } from "node:path";

import AxeBuilder from "@axe-core/playwright";
import type { Page } from "@playwright/test";

import { expect, linesOf, test } from "./test";

const PICTURES = join(import.meta.dirname, "pictures");
mkdirSync(PICTURES, { recursive: true });

/** Those that the documentation shows: `UPDATE=1 npm run browsertest looks` puts them there. */
const DOCUMENTED = ["jobs", "new", "job", "system"];
const DOCS = join(import.meta.dirname, "../../docs");
const MOST_BYTES = 150_000;

const AGENTS =
  "Make a web page that shows the numbers from one to ten in a table, with their squares beside them, " +
  "and a file numbers.csv with the same numbers. Check that the table has all ten rows before you finish.";
const FAILS = "---\nrunbook: 1\n---\n\n# A runbook that fails\n\n```sh\necho what it says; echo 'and why not' >&2; exit 3\n```\n";
const WAITS = "---\nrunbook: 1\n---\n\n# Nightly numbers\n\n```sh\necho one\n```\n\n```sh\necho begun; until [ -e go ]; do sleep 0.1; done\n```\n";

/** A page by its name: where it is, and when all of it is there. */
type Pages = [name: string, path: string, there: (page: Page) => Promise<void>][];

test("each page, light and dark, wide and on a phone", async ({ page, server }) => {
  test.setTimeout(240_000);
  const [agents, fails, waits, asks] = await Promise.all([
    server.give(AGENTS),
    server.give(FAILS),
    server.give(WAITS),
    server.give(`${AGENTS} Ask before you do something.`, { approve: true }),
  ]);
  await server.over(fails);
  await page.goto(`${server.url}/jobs/${agents}`);
  await expect.poll(() => linesOf(page, "Output of step 1")).toContain("number 200");
  await server.go(agents);
  await server.over(agents);

  const pages: Pages = [
    ["jobs", "/", async (page) => expect(page.locator(".row").first()).toBeVisible()],
    ["new", "/new", async (page) => expect(page.locator(".examples")).toBeVisible()],
    ["system", "/system", async (page) => expect(page.getByText("Keys are kept by who has")).toBeVisible()],
    ["job", `/jobs/${agents}`, async (page) => expect(page.locator(".checks")).toBeVisible()],
    ["output", `/jobs/${agents}`, async (page) => {
      await page.getByRole("button", { name: /^Output/ }).click();
      await expect.poll(() => linesOf(page, "Output of all steps")).toContain("number 1");
    }],
    ["failed", `/jobs/${fails}`, async (page) => expect(page.locator(".ended-badly")).toBeVisible()],
    ["running", `/jobs/${waits}`, async (page) => expect.poll(() => linesOf(page, "Output of step 2")).toContain("begun")],
    ["asks", `/jobs/${asks}`, async (page) => expect(page.getByRole("button", { name: "Approve" })).toBeVisible()],
    ["none", "/jobs/01a201ee-2710-7761-b7d7-26a8d466f693", async (page) => expect(page.getByText("There is no such job")).toBeVisible()],
  ];
  for (const [name, path, there] of pages) {
    await page.setViewportSize({ width: 1280, height: 800 });
    await page.goto(server.url + path);
    await there(page);
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      await expectReadable(page, `${name}, ${colorScheme}`);
      await page.screenshot({ path: join(PICTURES, `${name}-${colorScheme}.png`) });
    }
    await expectStill(page, name);
    await page.emulateMedia({ colorScheme: "light", reducedMotion: "reduce" });
    await page.setViewportSize({ width: 360, height: 740 });
    await expectNarrow(page, name);
    await page.screenshot({ path: join(PICTURES, `${name}-phone.png`), fullPage: true });
  }
  await page.setViewportSize({ width: 1280, height: 800 });
  await page.goto(server.url);
  await page.getByRole("button", { name: "Keys and help" }).click();
  await expect(page.getByRole("dialog", { name: "Keys" })).toBeVisible();
  await expectReadable(page, "help");
  await Promise.all([waits, asks].map((id) => server.call("POST", `/cancel/${id}`)));
  await Promise.all([waits, asks].map((id) => server.over(id)));
  for (const name of process.env.UPDATE ? DOCUMENTED : []) {
    const picture = join(PICTURES, `${name}-light.png`);
    expect(statSync(picture).size).toBeLessThan(MOST_BYTES);
    copyFileSync(picture, join(DOCS, `dashboard-${name}.png`));
  }
});

/** Nothing that keeps somebody out, as far as a program can tell. */
async function expectReadable(page: Page, name: string): Promise<void> {
  if (!name.startsWith("help")) await expect.soft(page.getByRole("dialog"), `what asks for an answer on ${name}`).toHaveCount(0);
  const { violations } = await new AxeBuilder({ page }).analyze();
  const grave = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
  const found = grave.map(({ id, nodes }) => `${name}: ${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join("; ")}`);
  expect.soft(found).toEqual([]);
}

/** Who wants less motion sees none. */
async function expectStill(page: Page, name: string): Promise<void> {
  const moving = await page.evaluate(() => document.getAnimations().filter(({ playState }) => playState === "running").length);
  expect.soft(moving, `what moves on ${name}`).toBe(0);
}

async function expectNarrow(page: Page, name: string): Promise<void> {
  const over = () => page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  expect.soft(await over(), `how far ${name} reaches beyond a phone`).toBeLessThanOrEqual(0);
}
