/** What people do with it, from the task to the result. */

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { Page } from "@playwright/test";

import { Server } from "./server";
import { expect, linesOf, test } from "./test";

const TASK =
  "Make a web page that shows the numbers from one to ten in a table, with their squares beside them, " +
  "and a file numbers.csv with the same numbers. Check that the table has all ten rows before you finish.";

test("a task is given, seen, steered, approved and fetched", async ({ page, server }) => {
  await story(page, server, "local");
});

test("the same on Docker", async ({ page, models }) => {
  test.skip(!hasDocker(), "no Docker daemon with the image containerized-agent:latest");
  const server = await Server.start({ ...models.variables, CAGENT_ENGINE: "docker" });
  try {
    await story(page, server, "docker");
  } finally {
    await server.cancelAll();
    await server.end();
  }
});

async function story(page: Page, server: Server, engine: string): Promise<void> {
  await page.goto(server.url);
  await expect(page.getByRole("heading", { name: "Jobs", exact: true })).toBeAttached();
  await page.keyboard.press("n");
  await page.getByLabel("What is to be done?").fill(TASK);
  await page.getByLabel("Ask me before each step").check();
  await page.getByRole("button", { name: "Run the task" }).click();
  await expect(page).toHaveURL(/\/jobs\/[0-9a-f-]{36}$/);
  const id = page.url().split("/").at(-1) ?? "";

  const plan = page.locator(".panel").filter({ has: page.getByRole("button", { name: /^Plan/ }) });
  await expect(plan).toContainText("0 of 3");
  await approve(page, 1);
  await expect.poll(() => linesOf(page, "Output of step 1")).toContain("number 200");
  await page.getByLabel("Say something to the agent").fill("use a serif font");
  await page.getByRole("button", { name: "Say", exact: true }).click();
  await expect(page.locator(".said-by.person")).toContainText("use a serif font");
  await server.go(id);
  await approve(page, 2);
  await expect(page.locator(".said-by.agent").last()).toContainText("serif");
  await expect(plan).toContainText("2 of 3");
  await approve(page, 3);
  await expect(plan).toContainText("3 of 3");
  await approve(page, 4);

  const result = page.getByRole("region", { name: "Result" });
  await expect(result).toContainText("The page index.html shows the numbers from one to ten");
  await expect(result.getByRole("list", { name: "Checks" })).toContainText("Passed");
  await expect(page.locator(".job-title")).toContainText("Complete");
  await expect(page.locator(".job-facts")).toContainText(engine);
  await previews(page);
  expect(await fetched(page)).toContain("10,100");
}

/** Says yes to the step with this number. */
async function approve(page: Page, step: number): Promise<void> {
  const asks = page.getByRole("region", { name: "A step waits for you" });
  await expect(asks).toContainText(`May step ${step} `);
  await asks.getByRole("button", { name: "Approve" }).click();
  await expect(asks.filter({ hasText: `May step ${step} ` })).toHaveCount(0);
}

async function previews(page: Page): Promise<void> {
  const files = page.getByRole("list", { name: "Files of the result" });
  const dialog = page.getByRole("dialog");
  await files.getByRole("button", { name: "numbers.csv" }).click();
  await expect(dialog.getByRole("cell", { name: "100", exact: true })).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(dialog).toHaveCount(0);
  await files.getByRole("button", { name: "index.html" }).click();
  const heading = page.frameLocator(".preview-page").getByRole("heading");
  await expect(heading).toHaveText("The numbers from one to ten");
  await expect(heading).toHaveCSS("color", "rgb(26, 86, 196)");
  await dialog.getByRole("button", { name: "Close" }).click();
  await expect(dialog).toHaveCount(0);
}

/** The table of numbers as it lies in the ZIP that a browser gets. */
async function fetched(page: Page): Promise<string> {
  const coming = page.waitForEvent("download");
  await page.getByRole("link", { name: "Download ZIP" }).click();
  const dir = mkdtempSync(join(tmpdir(), "cagent-zip-"));
  const zip = join(dir, "result.zip");
  await (await coming).saveAs(zip);
  execFileSync("python3", ["-m", "zipfile", "-e", zip, dir]);
  const found = execFileSync("find", [dir, "-name", "numbers.csv"], { encoding: "utf8" }).trim().split("\n");
  expect(found).toHaveLength(1);
  const text = readFileSync(found[0] ?? "", "utf8");
  execFileSync("rm", ["-r", dir]);
  return text;
}

function hasDocker(): boolean {
  try {
    return execFileSync("docker", ["images", "-q", "containerized-agent:latest"], { encoding: "utf8", stdio: "pipe" }).trim() !== "";
  } catch {
    return false;
  }
}

test("what an agent did is run again, with and without a model", async ({ page, server }) => {
  const id = await server.give(TASK);
  // The first step waits for it; the workspace is there when the step is.
  await page.goto(`${server.url}/jobs/${id}`);
  await expect.poll(() => linesOf(page, "Output of step 1")).toContain("number 200");
  await server.go(id);
  await expect(page.locator(".job-title")).toContainText("Complete");
  await page.getByRole("link", { name: "Run again without a model" }).click();
  await expect(page.getByLabel("What is to be done?")).toHaveValue(/runbook: 1/);
  await page.getByRole("button", { name: "Run the task" }).click();
  await expect(page).toHaveURL(/\/jobs\/[0-9a-f-]{36}$/);
  const again = page.url().split("/").at(-1) ?? "";
  await expect.poll(() => linesOf(page, "Output of step 1")).toContain("number 200");
  await server.go(again);
  await expect(page.locator(".job-title")).toContainText("Complete");
  await expect(page.getByRole("button", { name: "numbers.csv" }).first()).toBeVisible();
  await expect(page.locator(".job-facts")).not.toContainText("Tokens");
});

test("a runbook is dropped, cancelled and run again", async ({ page, server }) => {
  const runbook = "---\nrunbook: 1\n---\n\n# Dropped\n\n```sh\necho begun; until [ -e go ]; do sleep 0.1; done\n```\n";
  await page.goto(`${server.url}/new`);
  const drop = await page.evaluateHandle((text) => {
    const data = new DataTransfer();
    data.items.add(new File([text], "dropped.md", { type: "text/markdown" }));
    data.items.add(new File(["1,2\n"], "data.csv", { type: "text/csv" }));
    return data;
  }, runbook);
  await page.locator(".inputs").dispatchEvent("drop", { dataTransfer: drop });
  await expect(page.getByLabel("What is to be done?")).toHaveValue(/# Dropped/);
  await expect(page.getByRole("list", { name: "Files for the workspace" })).toContainText("data.csv");
  await page.getByRole("button", { name: "Run the task" }).click();
  await expect.poll(() => linesOf(page, "Output of step 1")).toContain("begun");
  await expect(page.getByRole("button", { name: "data.csv" })).toBeVisible();
  await page.getByRole("button", { name: "Cancel" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Cancel the job" }).click();
  await expect(page.locator(".job-title")).toContainText("Cancelled");
  await page.getByRole("link", { name: "Run again", exact: true }).click();
  await expect(page.getByLabel("What is to be done?")).toHaveValue(/# Dropped/);
  await expect(page.getByText("without files that were given with it")).toBeVisible();
  await page.getByRole("button", { name: "Add the files that the earlier job left" }).click();
  await expect(page.getByRole("list", { name: "Files for the workspace" })).toContainText("data.csv");
  await page.getByRole("button", { name: "Run the task" }).click();
  await expect.poll(() => linesOf(page, "Output of step 1")).toContain("begun");
  await expect(page.getByRole("button", { name: "data.csv" })).toBeVisible();
  await server.go(page.url().split("/").at(-1) ?? "");
  await expect(page.locator(".job-title")).toContainText("Complete");
});
