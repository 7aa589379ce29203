/** The ways into a running job: its desktop, what it serves, its Jupyter Lab. */

import { expect, linesOf, test } from "./test";

const SERVES =
  "---\nrunbook: 1\n---\n\n# Serves\n\n```python\n" +
  "import http.server\nopen('index.html', 'w').write('<h1>Served from the sandbox</h1>')\n" +
  "print('begun', flush=True)\n" +
  "http.server.ThreadingHTTPServer(('127.0.0.1', 8080), http.server.SimpleHTTPRequestHandler).serve_forever()\n```\n";

test("desktop, preview and Jupyter Lab are opened from the job's page", async ({ page, server }) => {
  const id = await server.give(SERVES);
  await page.goto(`${server.url}/jobs/${id}`);
  await expect.poll(() => linesOf(page, "Output of step 1")).toContain("begun");

  await page.getByRole("button", { name: "Jupyter and previews" }).click();
  await page.getByLabel("What it serves on port").fill("8080");
  let opened = page.waitForEvent("popup");
  await page.getByRole("button", { name: "Open", exact: true }).click();
  const preview = await opened;
  await expect(preview.getByRole("heading")).toHaveText("Served from the sandbox");
  expect(new URL(preview.url()).host).not.toBe(new URL(server.url).host);
  expect(await preview.evaluate(() => opener)).toBe(null);
  await preview.close();

  opened = page.waitForEvent("popup");
  await page.getByRole("button", { name: "Open Jupyter" }).click();
  const jupyter = await opened;
  await jupyter.waitForURL(/^http:\/\/lab-/);
  await jupyter.close();

  await page.getByRole("button", { name: "Desktop" }).click();
  const screen = page.locator(".desktop-screen");
  await expect(screen).toHaveAttribute("data-connected", "true");
  await expect(screen.locator("canvas")).toBeVisible();
  await page.getByRole("button", { name: "Take control" }).click();
  await expect(page.getByText("You have control")).toBeVisible();
  await page.getByRole("button", { name: "Full screen" }).click();
  await expect.poll(() => page.evaluate(() => document.fullscreenElement?.className)).toBe("desktop-screen");
  await page.evaluate(() => document.exitFullscreen());
  await page.getByRole("button", { name: "Give back control" }).click();
  await expect(page.getByText("You watch.")).toBeVisible();

  await server.call("POST", `/cancel/${id}`);
  await expect(page.locator(".job-title")).toContainText("Cancelled");
  await expect(screen).toHaveCount(0);
});
