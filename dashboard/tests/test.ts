/** `test` as all our tests have it: with a server, and a page that is watched. */

import { test as base, expect, type Page } from "@playwright/test";

import { Models, Server } from "./server";

interface Shared {
  models: Models;
  /** One that asks the models, for all tests that do not stop theirs. */
  server: Server;
}

/** What a page did that no page of ours may. */
interface Watched {
  watched: string[];
}

export const test = base.extend<Watched, Shared>({
  models: [
    async ({}, use) => {
      const models = await Models.start();
      await use(models);
      await models.end();
    },
    { scope: "worker" },
  ],
  server: [
    async ({ models }, use) => {
      const server = await Server.start({ ...models.variables, CAGENT_CONCURRENCY: "4" });
      await use(server);
      await server.end();
    },
    { scope: "worker", timeout: 60_000 },
  ],
  // Each page: no dialog, no error, nothing against its policy, no request that leaves this machine.
  watched: [
    async ({ page }, use) => {
      const bad: string[] = [];
      await watch(page, bad);
      await use(bad);
      expect(bad).toEqual([]);
    },
    { auto: true },
  ],
});

export { expect };

export async function watch(page: Page, bad: string[]): Promise<void> {
  page.on("dialog", (dialog) => {
    bad.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on("pageerror", (error) => bad.push(`error: ${error.stack}`));
  page.on("request", (request) => {
    if (isForeign(request.url(), page.url())) bad.push(`request: ${request.url()}`);
  });
  // What the page's own policy or the browser's rules of origins stopped was never sent.
  page.on("requestfailed", (request) => {
    const at = bad.indexOf(`request: ${request.url()}`);
    if (at >= 0 && /^(csp|origin)$/.test(request.failure()?.errorText ?? "")) bad.splice(at, 1);
  });
  await page.exposeFunction("againstPolicy", (what: string) => void bad.push(`policy: ${what}`));
  await page.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI, sourceFile }) =>
      (window as unknown as { againstPolicy: (what: string) => void }).againstPolicy(`${violatedDirective} ${blockedURI} ${sourceFile}`),
    );
  });
}

/** Whether this leaves the server whose page it is. */
function isForeign(asked: string, page: string): boolean {
  const { protocol, host, hostname } = new URL(asked);
  if (protocol === "blob:" || protocol === "about:") return false;
  return hostname !== "127.0.0.1" || (page.startsWith("http") && host !== new URL(page).host);
}

/** The lines of a log that are drawn now, in their order. */
export async function linesOf(page: Page, label: string): Promise<string[]> {
  const log = page.getByRole("region", { name: label });
  return log.locator(".log-row").allInnerTexts();
}
