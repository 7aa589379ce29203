import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { gzipSync } from "node:zlib";

import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

const SERVER = process.env.CAGENT_SERVER ?? "http://127.0.0.1:8000";

export default defineConfig({
  plugins: [unseen(), compressed()],
  build: {
    // What these can do (`light-dark()`) is used as it is.
    target: ["chrome123", "firefox121", "safari17.5"],
    // The page's policy allows no inline code, and `data:` for pictures only.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  // Tests look at the style sheets too.
  test: { css: true },
  // `npm run dev` beside a server: pages from here, everything else from there.
  server: {
    proxy: {
      "^/(job|jobs|logs|download|cancel|schedule|status|v1|docs|assets)(/|\\?|$)": {
        target: SERVER,
        headers: { origin: SERVER },
        changeOrigin: true,
        ws: true,
        bypass: page,
      },
    },
  },
});

/** A browser that opens `/jobs/<id>` wants the page. */
function page(request: IncomingMessage): string | undefined {
  return request.headers.accept?.startsWith("text/html") ? "/index.html" : undefined;
}

/** Nothing is painted before the program knows whether it is to be light or dark. */
function unseen(): Plugin {
  return {
    name: "unseen",
    transformIndexHtml: {
      order: "post",
      handler: (html) => html.replaceAll('<script type="module"', '<script type="module" blocking="render"'),
    },
  };
}

/** The server embeds each file also as it is sent: see crates/api/build.rs. */
function compressed(): Plugin {
  return {
    name: "compressed",
    apply: "build",
    closeBundle() {
      for (const entry of readdirSync("dist", { recursive: true, withFileTypes: true })) {
        const path = `${entry.parentPath}/${entry.name}`;
        if (entry.isFile()) writeFileSync(`${path}.gz`, gzipSync(readFileSync(path), { level: 9 }));
      }
    },
  };
}
