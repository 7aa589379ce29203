import { useEffect, useRef } from "preact/hooks";

import { fetchOk } from "../api/client";
import { PICTURES } from "./kinds";

/** More is not fetched for a page, in pictures and style sheets. */
const MOST_PARTS = 100;

/**
 * A page that a job wrote. It stands in a frame that runs no scripts, sends no forms and, by this page's
 * own policy, asks no other server for anything. That policy forbids its inline styles and pictures too:
 * so we, from outside, give it its styles as sheets and its pictures as blobs.
 */
export function HtmlFrame({ at, html }: { at: string; html: string }) {
  const frame = useRef<HTMLIFrameElement>(null);
  useEffect(() => {
    const blobs: string[] = [];
    const loaded = () => {
      const page = frame.current?.contentDocument;
      if (page) void dress(page, new URL(at, location.href), blobs);
    };
    const element = frame.current;
    element?.addEventListener("load", loaded);
    if (element) element.srcdoc = html;
    return () => {
      element?.removeEventListener("load", loaded);
      blobs.forEach((blob) => URL.revokeObjectURL(blob));
    };
  }, [at, html]);
  // `allow-same-origin` lets us in; without `allow-scripts` nothing in there can do anything with it.
  return <iframe class="preview-page" ref={frame} title="The page" sandbox="allow-same-origin" referrerpolicy="no-referrer" />;
}

async function dress(page: Document, base: URL, blobs: string[]): Promise<void> {
  for (const element of page.querySelectorAll<HTMLElement>("[style]")) {
    element.style.cssText = element.getAttribute("style") ?? "";
  }
  for (const link of page.querySelectorAll("a")) link.removeAttribute("href");
  for (const style of page.querySelectorAll("style")) wear(page, style.textContent);
  const sheets = [...page.querySelectorAll<HTMLLinkElement>("link[rel~=stylesheet]")].slice(0, MOST_PARTS);
  const pictures = [...page.querySelectorAll("img")].slice(0, MOST_PARTS);
  for (const link of sheets) {
    const sheet = await part(link.getAttribute("href"), base);
    if (sheet) wear(page, await sheet.text());
  }
  for (const picture of pictures) {
    const blob = await part(picture.getAttribute("src"), base);
    if (!blob) continue;
    const url = URL.createObjectURL(blob);
    blobs.push(url);
    picture.src = url;
  }
}

function wear(page: Document, css: string): void {
  const Sheet = page.defaultView?.CSSStyleSheet;
  if (!Sheet) return;
  const sheet = new Sheet();
  sheet.replaceSync(css);
  page.adoptedStyleSheets.push(sheet);
}

// What stands in the page itself, or beside it among the job's files; nothing else.
async function part(address: string | null, base: URL): Promise<Blob | null> {
  if (!address) return null;
  const inline = /^data:([^,;]*)(;base64)?,/i.exec(address);
  if (inline) return decoded(address.slice(inline[0].length), inline[1] ?? "", inline[2] !== undefined);
  const url = new URL(address, base);
  const files = /^\/v1\/jobs\/[^/]+\/files\//.exec(base.pathname)?.[0];
  if (url.origin !== location.origin || !files || !url.pathname.startsWith(files)) return null;
  const answer = await fetchOk(url.pathname).catch(() => null);
  const type = PICTURES[url.pathname.toLowerCase().split(".").at(-1) ?? ""] ?? "text/plain";
  return answer && new Blob([await answer.arrayBuffer()], { type });
}

function decoded(text: string, type: string, isBase64: boolean): Blob | null {
  try {
    if (!isBase64) return new Blob([decodeURIComponent(text)], { type });
    return new Blob([Uint8Array.from(atob(decodeURIComponent(text)), (char) => char.charCodeAt(0))], { type });
  } catch {
    return null;
  }
}
