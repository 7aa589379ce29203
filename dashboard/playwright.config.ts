import { existsSync } from "node:fs";

import { defineConfig } from "@playwright/test";

/** Nothing is downloaded: the system's own browser is used. */
const BROWSERS = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

const executablePath = process.env.CHROMIUM ?? BROWSERS.find((path) => existsSync(path));
if (!executablePath) throw new Error("no browser: apt-get install chromium, or say in CHROMIUM where there is one");

export default defineConfig({
  testDir: "tests",
  testMatch: "*.browser.ts",
  outputDir: "tests/results",
  // Each worker has servers, sandboxes and a browser; a machine with two cores has enough of one.
  workers: 1,
  // What is not so at once on a busy machine will be, or is wrong.
  timeout: 120_000,
  expect: { timeout: 30_000 },
  forbidOnly: true,
  reporter: [["list"]],
  use: {
    viewport: { width: 1280, height: 800 },
    actionTimeout: 30_000,
    screenshot: "only-on-failure",
    launchOptions: {
      executablePath,
      // Its own sandbox needs what root and containers do not have; it sees our pages only.
      args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--no-proxy-server"],
    },
  },
});
