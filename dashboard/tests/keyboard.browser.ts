/** Without a mouse. */

import { expect, linesOf, test } from "./test";

test("a job is given, found, watched and cancelled with the keyboard alone", async ({ page, server }) => {
  await page.goto(server.url);
  await expect(page.getByRole("button", { name: /^All/ })).toBeVisible();
  await page.keyboard.press("Tab");
  await expect(page.getByRole("link", { name: "Skip to the content" })).toBeFocused();
  await page.keyboard.press("n");
  await expect(page.getByLabel("What is to be done?")).toBeFocused();
  await page.keyboard.insertText("---\nrunbook: 1\n---\n\n# By keyboard\n\n```sh\necho begun; until [ -e go ]; do sleep 0.1; done\n```\n");
  await page.keyboard.press("Control+Enter");
  await expect(page.getByRole("heading", { name: "By keyboard" }).first()).toBeVisible();
  await expect.poll(() => linesOf(page, "Output of step 1")).toContain("begun");
  const job = page.url();

  await page.keyboard.press("g");
  await page.keyboard.press("j");
  await expect(page.getByRole("link", { name: "By keyboard" }).first()).toBeVisible();
  await page.keyboard.press("/");
  await page.keyboard.type("By keyboard");
  await expect(page.locator(".row")).toHaveCount(1);
  await page.keyboard.press("Escape");
  await page.keyboard.press("j");
  await expect(page.getByRole("link", { name: "By keyboard" })).toBeFocused();
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(job);
  await expect.poll(() => linesOf(page, "Output of step 1")).toContain("begun");

  await page.keyboard.press("j");
  await expect(page.locator(".step h3 button")).toBeFocused();
  await page.keyboard.press("Enter");
  await expect(page.locator(".step h3 button")).toHaveAttribute("aria-expanded", "false");
  await page.keyboard.press("o");
  await expect.poll(() => linesOf(page, "Output of all steps")).toContain("begun");
  await page.keyboard.press("c");
  const sure = page.getByRole("dialog", { name: "Cancel this job?" });
  await expect(sure).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(sure).toHaveCount(0);
  await page.keyboard.press("c");
  await expect(sure).toBeVisible();
  await page.keyboard.press("Tab");
  await expect(sure.getByRole("button", { name: "Cancel the job" })).toBeFocused();
  await page.keyboard.press("Enter");
  await expect(page.locator(".job-title")).toContainText("Cancelled");

  await page.keyboard.press("g");
  await page.keyboard.press("s");
  await expect(page.getByRole("heading", { name: "System" })).toBeVisible();
  await page.keyboard.press("?");
  await expect(page.getByRole("dialog", { name: "Keys" })).toContainText("Go to the jobs");
});
