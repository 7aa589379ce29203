/** A server that asks for keys. */

import { Server } from "./server";
import { expect, test } from "./test";

test("the page asks for a key, refuses a wrong one, remembers a right one, and forgets it", async ({ page }) => {
  const server = await Server.start({ CAGENT_PUBLIC_NAMES: "cagent.test" });
  try {
    const key = server.cagent("key", "create", "tester", "--scope", "operate").match(/cagent_\S+/)?.[0] ?? "";
    expect(key).not.toBe("");
    await page.goto(`${server.url}/system`);
    const asks = page.getByRole("dialog", { name: "This server asks for a key" });
    await asks.getByLabel("Key").fill("cagent_0a1b2c3d4e5f_wrong");
    await asks.getByRole("button", { name: "Unlock" }).click();
    await expect(asks.getByRole("alert")).toContainText("opens nothing here");
    await asks.getByLabel("Key").fill(key);
    await page.keyboard.press("Enter");
    await expect(asks).toHaveCount(0);
    await expect(page.getByText("Takes jobs")).toBeVisible();

    await server.kill();
    await expect(page.getByText("Reconnecting…")).toBeVisible();
    await server.begin();
    await expect(page.getByText("Reconnecting…")).toHaveCount(0);
    await page.goto(server.url);
    await expect(page.getByText("No jobs yet")).toBeVisible();
    await expect(asks).toHaveCount(0);
    expect(await page.evaluate(() => document.cookie)).toBe("");
    expect(await page.evaluate(() => JSON.stringify({ ...localStorage, ...sessionStorage }))).not.toContain(key);

    // The cookie alone changes nothing: servers on other ports are sent it too.
    const bare = await page.evaluate(async () => {
      const headers = { "Content-Type": "application/json" };
      return (await fetch("/schedule", { method: "POST", headers, body: "{}" })).status;
    });
    expect(bare).toBe(401);
    await page.goto(`${server.url}/new`);
    await page.getByLabel("What is to be done?").fill("```bash\necho done\n```");
    await page.getByRole("button", { name: "Run the task" }).click();
    await expect(page).toHaveURL(/\/jobs\//);

    const cookies = await page.context().cookies();
    expect(cookies.map(({ name }) => name)).toEqual([`cagent-session-${new URL(server.url).port}`]);
    await page.keyboard.press("?");
    await page.getByRole("button", { name: "Forget my key" }).click();
    await expect(asks).toBeVisible();
    const copied = await fetch(`${server.url}/jobs`, {
      headers: { Cookie: cookies.map(({ name, value }) => `${name}=${value}`).join("; ") },
    });
    expect(copied.status).toBe(401);
  } finally {
    await server.end();
  }
});
