/** A page that a job wrote is shown, and reaches nothing: no server, no address of ours, no other file than its own. */

import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

import type { Page } from "@playwright/test";

import { Server } from "./server";
import { expect, test } from "./test";

const WAITS = "---\nrunbook: 1\n---\n\n# Previews\n\n```sh\nuntil [ -e go ]; do sleep 0.1; done\n```\n";
const SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="20" height="20"><script>parent.pwned = 1</script><rect width="20" height="20" fill="red"/></svg>';
const PNG = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==", "base64");

/** Everything by which a page has something loaded, or leads somewhere. */
const reaching = (to: string) => `
  <meta http-equiv="refresh" content="0;url=${to}"><base href="${to}/"><link rel="stylesheet" href="${to}"><link rel="prefetch" href="${to}">
  <link rel="preconnect" href="${to}"><link rel="icon" href="${to}"><script src="${to}"></script><style>@import "${to}"; body { background: url(${to}) }</style>
  <img src="${to}"><img srcset="${to} 1x"><picture><source srcset="${to}"><img></picture><input type="image" src="${to}">
  <iframe src="${to}"></iframe><object data="${to}"></object><embed src="${to}"><video src="${to}" poster="${to}" autoplay></video><audio src="${to}" autoplay></audio>
  <svg><image href="${to}"/><use href="${to}#a"/><rect fill="url(${to}#a)" filter="url(${to}#b)"/><foreignObject><iframe src="${to}"></iframe></foreignObject></svg>
  <p style="background: url(${to}); filter: url(${to}#c)">styled</p><table background="${to}"><td background="${to}"></table>
  <svg width="99" height="20"><a id="moved"><set attributeName="href" to="${to}"/><text y="15">drawn link</text></a></svg>
  <a href="${to}" ping="${to}">a link</a><form action="${to}"><button>a button</button></form>`;

/** Names that hide what a document and a form can do. */
const HIDING = ["querySelectorAll", "images", "documentElement", "adoptedStyleSheets", "defaultView", "replaceChild"].map((name) => `<img name="${name}"><form name="${name}"></form>`).join("")
  + '<form onclick="parent.pwned = 1"><input name="attributes"><input name="getAttributeNames"><input name="removeAttribute"><input name="remove"><input name="matches"></form>';

const page = (...places: string[]) => `<!doctype html><html><head><link rel=stylesheet href="look/style.css"><style media="print">h1 { display: none }</style></head>
  <body onload="parent.pwned = 1"><h1 style="margin-left: 7px">A page</h1><img id="png" src="dot.png"><img id="svg" src="./dot.svg?x"><img id="large" src="large.png">
  ${HIDING}${places.map(reaching).join("")}${Array.from({ length: 300 }, (_, i) => `<img src="none-${i}.png">`).join("")}</body></html>`;

async function running(server: Server, files: Record<string, BlobPart>): Promise<string> {
  const id = await server.give(WAITS);
  await expect.poll(() => server.status(id)).toBe("running");
  for (const [path, content] of Object.entries(files)) await server.call("PUT", `/v1/jobs/${id}/files/${path}`, new Blob([content]));
  return id;
}

async function choose(page: Page, server: Server, id: string, name: string): Promise<void> {
  if (!page.url().includes(id)) await page.goto(`${server.url}/jobs/${id}`);
  await page.locator(".files").getByRole("button", { name, exact: true }).click();
}

test("a hostile page looks as it should, and reaches nothing", async ({ page: browser, server }) => {
  const lured: string[] = [];
  const lure = createServer(({ url }, answer) => (lured.push(url ?? ""), answer.end())).listen(0, "127.0.0.1");
  await once(lure, "listening");
  const foreign = `http://127.0.0.1:${(lure.address() as AddressInfo).port}`;
  const id = await running(server, {
    "look/style.css": "h1 { color: rgb(1, 2, 3) }", "dot.png": PNG, "dot.svg": SVG, "large.png": new Uint8Array(20_000_000),
    "page.html": page("/v1/system", `${server.url}/jobs`, "../../../../jobs", foreign, `//${foreign.slice(7)}`),
  });
  await browser.goto(`${server.url}/jobs/${id}`);
  await expect(browser.locator(".files")).toContainText("page.html");

  const [ours, others]: [string[], string[]] = [[], []];
  browser.on("response", (answer) => {
    const { pathname, protocol } = new URL(answer.url());
    if (protocol !== "http:" || pathname === `/job/${id}` || pathname.endsWith("/files/") || pathname.startsWith("/assets/")) return;
    if (pathname.startsWith(`/v1/jobs/${id}/files/`) && answer.request().headers().range) ours.push(pathname);
    else others.push(answer.url());
  });
  await choose(browser, server, id, "page.html");
  const frame = browser.frameLocator(".preview-page");
  await expect(frame.getByRole("heading")).toHaveCSS("color", "rgb(1, 2, 3)");
  await expect(frame.getByRole("heading")).toHaveCSS("margin-left", "7px");
  for (const name of ["png", "svg"]) await expect(frame.locator(`#${name}`)).toHaveJSProperty("complete", true);
  await expect(frame.locator("#svg")).toHaveJSProperty("naturalWidth", 20);
  // The page itself, and a hundred of what it names.
  await expect.poll(() => ours.length).toBe(101);
  for (const link of ["drawn link", "a link"]) await frame.getByText(link).first().click({ force: true });
  await frame.getByRole("button", { name: "a button" }).first().click();
  await expect(frame.locator("#large")).not.toHaveAttribute("src", /./);
  await expect(frame.locator("script, link, iframe, object, embed, base, set, a[href], [onclick], [onload]")).toHaveCount(0);
  await expect(frame.getByRole("heading")).toHaveText("A page");
  expect(ours).toHaveLength(101);
  expect(others).toEqual([]);
  expect(lured).toEqual([]);
  expect(await browser.evaluate(() => "pwned" in window)).toBe(false);
  // The frame has the focus.
  await browser.keyboard.press("Escape");
  await expect(browser.getByRole("dialog")).toHaveCount(0);

  await choose(browser, server, id, "dot.svg");
  await expect(browser.getByRole("img", { name: "dot.svg" })).toHaveAttribute("src", /^data:image\/svg/);
  lure.close();
  await server.go(id);
});

test("what nobody looks at any more is no longer loaded", async ({ page, server }) => {
  const id = await running(server, { "slow.txt": "slow", "page.html": '<h1>A page</h1><img src="dot.png">', "dot.png": PNG, "quick.txt": "quick" });
  const failed: string[] = [];
  page.on("requestfailed", (request) => failed.push(request.url().split("/").at(-1) ?? ""));
  // Never answered.
  await page.route(/slow\.txt|dot\.png/, () => {});
  for (const [file, held] of [["slow.txt", "slow.txt"], ["page.html", "dot.png"]] as const) {
    const asked = page.waitForRequest((request) => request.url().endsWith(held));
    await choose(page, server, id, file);
    await asked;
    await page.keyboard.press("Escape");
    await expect.poll(() => failed).toContain(held);
  }
  await choose(page, server, id, "quick.txt");
  await expect(page.getByRole("dialog")).toContainText("quick");
  await server.go(id);
});
