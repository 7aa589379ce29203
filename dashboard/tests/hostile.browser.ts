/** Whatever a job writes and names is text: it does nothing to the page. */

import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

import { expect, linesOf, test } from "./test";

const EVIL = `<script>window.pwned = 1; alert(1)</script><img src=x onerror="window.pwned = 1; alert(1)">`;

/** Files by names that mean something elsewhere, a page and a picture with scripts, and a path of nearly 4 kB. */
const make = (lure: string) => `
import os
names = ['<img src=x onerror=alert(1)>.txt', 'a"onmouseover=alert(1) b.txt', '\\u202egnp.exe', 'x' * 250,
         'new\\nline.txt', '\\x1b[31mred.txt', '&lt;b&gt;.txt', 'javascript:alert(1)', '%2e%2e%2fetc', 'ta\\tb']
for name in names:
    open(name, 'w').write('<script>alert(1)</script>' + name)
open(b'not-\\xff-utf8.txt', 'w').write('bytes')
os.makedirs('/'.join(['deep' * 50] * 15))
evil = """<script>parent.pwned = 1; alert(1)</script><img src=x onerror="parent.pwned = 1">"""
open('evil.html', 'w').write(evil + '<h1>A page</h1><img src="${lure}/a.png"><link rel=stylesheet href="${lure}/a.css">'
    '<meta http-equiv=refresh content="0;url=${lure}/"><form action="${lure}/"><button>Go</button></form>'
    '<iframe src="${lure}/"></iframe><style>body { background: url(${lure}/b.png) } @import "${lure}/c.css";</style>')
open('evil.svg', 'w').write('<svg xmlns="http://www.w3.org/2000/svg" onload="parent.pwned = 1"><script>parent.pwned = 1</script></svg>')
open('evil.csv', 'w').write('a,b\\n' + evil + ',=1+1\\n')
`;

const SAY = String.raw`
printf '%s\n' '${EVIL}'
printf 'title \033]0;pwned\007 link \033]8;;javascript:alert(1)\007click\033]8;;\007 end\n'
printf '\033[2J\033[H\033[999;999Hmoved\033[?1049h\033c\n'
printf 'right \342\200\256tfel \342\201\246isolate\n'
printf '\377\376 no text \000 nul\n'
head -c 10000 /dev/zero | tr '\0' x; echo
printf 'last of all\n'
`;

const runbook = (lure: string) => `---\nrunbook: 1\n---\n\n# \`${EVIL}\`\n\n\`\`\`python\n${make(lure)}\n\`\`\`\n\n\`\`\`sh\n${SAY}\n\`\`\`\n`;

test("hostile output and file names are text", async ({ page, server }) => {
  const lured: string[] = [];
  const lure = createServer(({ url }, answer) => (lured.push(url ?? ""), answer.end())).listen(0, "127.0.0.1");
  await once(lure, "listening");
  const id = await server.give(runbook(`http://127.0.0.1:${(lure.address() as AddressInfo).port}`));
  expect(await server.over(id)).toBe("complete");
  await page.goto(server.url);
  await expect(page.getByRole("link", { name: EVIL.slice(0, 30) }).first()).toBeVisible();
  await page.getByRole("link", { name: EVIL.slice(0, 30) }).first().click();
  await expect(page.locator("h1")).toContainText("<script>");
  await expect.poll(() => linesOf(page, "Output of step 2")).toContain(EVIL);
  const lines = await linesOf(page, "Output of step 2");
  expect(lines.some((line) => line.includes("click"))).toBe(true);
  await expect(page.locator(".job-main a[href^=javascript]")).toHaveCount(0);

  const files = page.locator(".files").first();
  await expect(files).toContainText("<img src=x onerror=alert(1)>.txt");
  await page.getByRole("button", { name: "<img src=x onerror=alert(1)>.txt" }).click();
  await expect(page.getByRole("dialog")).toContainText("<script>alert(1)</script>");
  await page.keyboard.press("Escape");
  for (const [name, seen] of [["javascript:alert(1)", "<script>"], ["%252e%252e%252fetc", "<script>"], ["evil.csv", "<script>"]] as const) {
    await files.getByRole("button", { name, exact: true }).click();
    await expect(page.getByRole("dialog")).toContainText(seen);
    await page.keyboard.press("Escape");
  }
  await files.getByRole("button", { name: "evil.html" }).click();
  await expect(page.frameLocator(".preview-page").getByRole("heading")).toHaveText("A page");
  await page.keyboard.press("Escape");
  await files.getByRole("button", { name: "evil.svg" }).click();
  await expect(page.getByRole("dialog")).toBeVisible();
  await page.keyboard.press("Escape");
  for (const deep of [0, 1]) await files.getByRole("button", { name: "deep".repeat(50) }).nth(deep).click();
  await expect(files.getByRole("button", { name: "deep".repeat(50) })).toHaveCount(3);

  expect(await page.evaluate(() => "pwned" in window)).toBe(false);
  expect(await page.locator('main script, main img[src="x"], main [onerror], main [onmouseover]').count()).toBe(0);
  expect(await page.title()).toContain("Containerized Agent");
  expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBeLessThanOrEqual(0);
  expect(lured).toEqual([]);
  lure.close();
});
