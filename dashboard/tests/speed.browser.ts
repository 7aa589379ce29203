/** How much is loaded, how soon something is seen. */

import type { Browser } from "@playwright/test";

import { expect, test } from "./test";

const MOST_BYTES = 200_000;
const MOST_MS = 500;
const LOOKS = 5;
/** Other programs may take the processor for a while. */
const ROUNDS = 4;

test("the first page is small and soon there", async ({ browser, server }, info) => {
  let best = Infinity;
  for (let round = 0; round < ROUNDS && best > MOST_MS; round += 1) {
    const paints: number[] = [];
    for (let look = 0; look < LOOKS; look += 1) {
      const { paint, bytes } = await first(browser, server.url);
      expect(bytes).toBeLessThanOrEqual(MOST_BYTES);
      paints.push(paint);
      info.annotations.push({ type: "loaded", description: `${bytes} bytes, painted after ${Math.round(paint)} ms` });
      console.log(`first page: ${bytes} bytes, first paint after ${Math.round(paint)} ms`);
    }
    best = Math.min(best, paints.sort((a, b) => a - b)[LOOKS >> 1] ?? Infinity);
  }
  console.log(`first paint: ${Math.round(best)} ms (median of ${LOOKS})`);
  expect(best).toBeLessThanOrEqual(MOST_MS);
});

/** What a browser that was never here gets, and when it shows something of it. */
async function first(browser: Browser, url: string): Promise<{ paint: number; bytes: number }> {
  const context = await browser.newContext();
  const page = await context.newPage();
  const wire = await context.newCDPSession(page);
  await wire.send("Network.enable");
  let bytes = 0;
  wire.on("Network.loadingFinished", ({ encodedDataLength }) => (bytes += encodedDataLength));
  await page.goto(url);
  await expect(page.getByRole("button", { name: /^All/ })).toBeVisible();
  const painted = () => page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? 0);
  await expect.poll(painted).toBeGreaterThan(0);
  const paint = await painted();
  await context.close();
  return { paint, bytes };
}

test("nothing is painted before it is known whether it is to be dark", async ({ page, server }) => {
  await page.emulateMedia({ colorScheme: "light" });
  await page.addInitScript(() => localStorage.setItem("cagent-theme", "dark"));
  let came = 0;
  await page.route(/\/assets\/index-.*\.js$/, async (route) => {
    // So long that a page which does not wait is painted meanwhile.
    await new Promise((done) => setTimeout(done, 1000));
    came = Date.now();
    await route.continue();
  });
  await page.goto(server.url);
  const first = () => page.evaluate(() => performance.getEntriesByName("first-paint").map(({ startTime }) => performance.timeOrigin + startTime)[0] ?? 0);
  await expect.poll(first).toBeGreaterThan(0);
  expect(await first()).toBeGreaterThanOrEqual(came - 5);
  await expect(page.locator("html")).toHaveCSS("background-color", "rgb(14, 17, 22)");
});
