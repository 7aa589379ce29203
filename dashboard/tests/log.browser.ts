/** A log of a hundred megabytes. */

import { expect, linesOf, test } from "./test";

const LINES = 1_000_000;
/** Each line has a hundred bytes with its end. */
const BYTES = 100 * LINES;
const MOST_HEAP = 100 * 1024 * 1024;

test("a log of 100 MB is opened, read at both ends and searched for its place, in little memory", async ({ page, server }) => {
  test.setTimeout(240_000);
  const write = `import sys\nfor n in range(${LINES}):\n    sys.stdout.write(f'line {n} '.ljust(99, '.') + '\\n')\n`;
  const id = await server.give(`---\nrunbook: 1\n---\n\n# Much\n\n\`\`\`python\n${write}\`\`\`\n`);
  expect(await server.over(id)).toBe("complete");
  const began = Date.now();
  await page.goto(`${server.url}/jobs/${id}`);
  await page.getByRole("button", { name: /^Output/ }).click();
  const log = page.getByRole("region", { name: "Output of all steps" });
  const seen = async () => (await linesOf(page, "Output of all steps")).join("\n");
  const has = async (line: number) => expect.poll(seen).toContain(`line ${line} .`);
  await expect.poll(seen).toMatch(/line \d+ \./);
  console.log(`100 MB: first view after ${Date.now() - began} ms`);
  let jump = Date.now();
  await log.evaluate((element) => element.scrollTo(0, 0));
  await has(0);
  console.log(`100 MB: at the beginning after ${Date.now() - jump} ms`);
  jump = Date.now();
  await log.evaluate((element) => element.scrollTo(0, element.scrollHeight));
  await has(LINES - 1);
  console.log(`100 MB: at the end after ${Date.now() - jump} ms`);
  await log.evaluate((element) => element.scrollTo(0, element.scrollHeight / 2));
  await expect.poll(seen).toMatch(/line [3-6]\d{5} \./);
  expect((await linesOf(page, "Output of all steps")).length).toBeLessThan(200);

  await log.evaluate((element) => element.scrollTo(0, 0));
  await has(0);
  await page.keyboard.press("/");
  await page.keyboard.type("LINE 99999");
  jump = Date.now();
  await has(99_999);
  console.log(`100 MB: found in the first tenth after ${Date.now() - jump} ms`);
  jump = Date.now();
  await page.keyboard.press("Enter");
  await has(999_990);
  console.log(`100 MB: found at the end after ${Date.now() - jump} ms`);
  await page.keyboard.press("Escape");
  await page.keyboard.press("n");
  await has(999_991);
  await page.keyboard.press("N");
  await has(999_990);
  await expect(log.locator(".log-row.found")).toContainText("line 999990 ");
  await page.keyboard.press("/");
  await page.getByRole("searchbox", { name: "Search in the output" }).fill("no such words");
  await expect(page.getByRole("progressbar", { name: "Looked through" })).toBeVisible();
  await page.getByRole("button", { name: "Stop", exact: true }).click();
  await expect(page.getByRole("progressbar", { name: "Looked through" })).toHaveCount(0);
  jump = Date.now();
  await page.getByRole("searchbox", { name: "Search in the output" }).press("Enter");
  await expect(page.getByRole("search")).toContainText("Not found");
  console.log(`100 MB: all of it looked through after ${Date.now() - jump} ms`);

  const wire = await page.context().newCDPSession(page);
  await wire.send("HeapProfiler.collectGarbage");
  await wire.send("Performance.enable");
  const { metrics } = await wire.send("Performance.getMetrics");
  const heap = metrics.find(({ name }) => name === "JSHeapUsedSize")?.value ?? Infinity;
  console.log(`100 MB: the page holds ${Math.round(heap / 1024 / 1024)} MiB of ${BYTES / 1e6} MB`);
  expect(heap).toBeLessThan(MOST_HEAP);
});
