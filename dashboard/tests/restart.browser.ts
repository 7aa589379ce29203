/** A server that dies and comes back under an open page. */

import type { Page } from "@playwright/test";

import { Server } from "./server";
import { expect, linesOf, test } from "./test";

const LINES = 400;

test("no line is lost or doubled when the server dies and comes back", async ({ page }) => {
  const server = await Server.start();
  try {
    const id = await server.give(`# Counts\n\n\`\`\`sh\nfor n in $(seq ${LINES}); do echo line $n; sleep 0.02; done\n\`\`\`\n\n\`\`\`sh\necho the end\n\`\`\`\n`);
    await page.goto(`${server.url}/jobs/${id}`);
    await page.getByRole("button", { name: "Output" }).click();
    await expect.poll(() => linesOf(page, "Output of all steps")).toContain("line 20");
    await server.kill();
    await expect(page.getByText("Reconnecting…")).toBeVisible();
    await server.begin();
    await expect(page.getByText("Reconnecting…")).toHaveCount(0);
    await expect(page.locator(".job-title")).toContainText("Complete");

    const log = (await server.log(id)).trimEnd().split("\n");
    expect(log).toEqual([...Array.from({ length: LINES }, (_, n) => `line ${n + 1}`), "the end"]);
    await expect.poll(() => linesOf(page, "Output of all steps")).toContain("the end");
    expect(await allLines(page)).toEqual(log);
    await page.getByRole("button", { name: "Steps" }).click();
    await expect(page.locator(".step")).toHaveCount(2);
  } finally {
    await server.end();
  }
});

test("a job whose sandbox was lost is resumed", async ({ page }) => {
  const server = await Server.start();
  try {
    const id = await server.give("# Breaks off\n\n```sh\necho begun; until [ -e go ]; do sleep 0.1; done\n```\n");
    await page.goto(`${server.url}/jobs/${id}`);
    await expect.poll(() => linesOf(page, "Output of step 1")).toContain("begun");
    server.loseSandboxes();
    await page.getByRole("button", { name: "Resume" }).click();
    await expect(page).not.toHaveURL(new RegExp(id));
    await expect(page.getByText("Goes on after", { exact: true })).toBeVisible();
    const next = page.url().split("/").at(-1) ?? "";
    await expect.poll(() => linesOf(page, "Output of step 1")).toContain("begun");
    await server.go(next);
    await expect(page.locator(".job-title")).toContainText("Complete");
  } finally {
    await server.end();
  }
});

/** All lines of the log, by scrolling through it as a person would; what is drawn twice is there twice. */
async function allLines(page: Page): Promise<string[]> {
  const region = page.getByRole("region", { name: "Output of all steps" });
  const at = async (top: number) => {
    await region.evaluate((element, top) => void (element.scrollTop = top), top);
    await page.evaluate(() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn))));
    await expect.poll(() => linesOf(page, "Output of all steps")).not.toContain("…");
    return linesOf(page, "Output of all steps");
  };
  const { height, view } = await region.evaluate(({ scrollHeight, clientHeight }) => ({ height: scrollHeight, view: clientHeight }));
  let all: string[] = [];
  for (let top = 0; top < height; top += view / 2) {
    const seen = await at(top);
    // What was seen before and is seen still overlaps: exactly once.
    const from = all.length === 0 ? -1 : seen.lastIndexOf(all.at(-1) ?? "");
    const overlap = seen.slice(0, from + 1);
    expect(all.slice(all.length - overlap.length)).toEqual(overlap);
    all = [...all, ...seen.slice(from + 1)];
  }
  return all;
}
