/** Ten thousand jobs. */

import type { Page } from "@playwright/test";

import { Server } from "./server";
import { expect, test } from "./test";

const JOBS = 10_000;
const AT_ONCE = 16;

/** A frame that takes longer is seen as a jerk; what other programs take is in it. */
const JERK = 200;

test("ten thousand jobs are scrolled, searched and filtered without lag", async ({ page }) => {
  test.setTimeout(240_000);
  const server = await Server.start({ CAGENT_CONCURRENCY: "1" });
  try {
    const blocks = await server.give("# Blocks\n\n```sh\nuntil [ -e go ]; do sleep 0.2; done\n```\n");
    await expect.poll(() => server.status(blocks)).toBe("running");
    await fill(server);
    await page.goto(server.url);
    await expect(page.getByRole("button", { name: /^All/ })).toContainText((JOBS + 1).toLocaleString("en"));
    await expect(page.locator(".row").first()).toBeVisible();

    const frames = await scrolled(page);
    console.log(`10,000 jobs: ${frames.rows} rows scrolled, frames: median ${frames.median} ms, 95% ${frames.p95} ms, longest ${frames.longest} ms; long tasks ${frames.tasks}`);
    expect(frames.rows).toBeGreaterThan(JOBS / 2);
    expect(frames.drawn).toBeLessThan(100);
    expect(frames.p95).toBeLessThan(JERK);

    await page.keyboard.press("/");
    const begun = Date.now();
    await page.keyboard.type("number 7777");
    await expect(page.locator(".row")).toHaveCount(1);
    console.log(`10,000 jobs: searched in ${Date.now() - begun} ms, typing included`);
    await expect(page.getByRole("link", { name: "Job number 7777" })).toBeVisible();
    await page.getByLabel("Search in titles and tasks").fill("");
    await page.getByRole("button", { name: /^Failed/ }).click();
    await expect(page.getByText("No job is like that")).toBeVisible();
    await page.getByRole("button", { name: "Show all" }).click();
    await expect(page.getByRole("link", { name: `Job number ${JOBS - 1}` })).toBeVisible();
  } finally {
    await server.end();
  }
});

async function fill(server: Server): Promise<void> {
  let next = 0;
  const give = async () => {
    for (let n = next++; n < JOBS; n = next++) await server.give(`# Job number ${n}\n\n\`\`\`sh\necho ${n}\n\`\`\`\n`);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, give));
}

interface Frames {
  rows: number;
  drawn: number;
  median: number;
  p95: number;
  longest: number;
  tasks: number;
}

/** Scrolls to the end of the list, as far as it is loaded meanwhile, a screen a frame. */
async function scrolled(page: Page): Promise<Frames> {
  return page.evaluate(
    (most) =>
      new Promise<Frames>((done) => {
        const times: number[] = [];
        let [before, drawn, tasks, stuck] = [performance.now(), 0, 0, 0];
        new PerformanceObserver((list) => (tasks += list.getEntries().length)).observe({ type: "longtask" });
        const step = (now: number) => {
          times.push(now - before);
          before = now;
          const from = scrollY;
          scrollBy(0, 600);
          drawn = Math.max(drawn, document.querySelectorAll(".row").length);
          stuck = scrollY === from ? stuck + 1 : 0;
          if (stuck < 120 && times.length < most) return void requestAnimationFrame(step);
          times.sort((a, b) => a - b);
          const at = (part: number) => Math.round(times[Math.floor((times.length - 1) * part)] ?? 0);
          done({ rows: Math.round(scrollY / 60), drawn, median: at(0.5), p95: at(0.95), longest: at(1), tasks });
        };
        requestAnimationFrame(step);
      }),
    3000,
  );
}
