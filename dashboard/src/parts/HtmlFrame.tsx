import { useEffect, useRef } from "preact/hooks";

import { Beside, MOST_FILES } from "./Beside";
import { dataUrl } from "./dataUrl";
import { pictureType } from "./kinds";
import { strip } from "./strip";

/** A larger style sheet is left out, in bytes. */
const MOST_OF_SHEET = 512 * 1024;

/** Nothing is loaded but pictures that we put in. */
const POLICY = "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'";
const EMPTY = `<!doctype html><meta http-equiv="Content-Security-Policy" content="${POLICY}">`;

/**
 * A page that a job wrote. It stands in a frame that runs no scripts, sends no forms and asks nobody for
 * anything: what it looks like, we fetch and put in from outside.
 */
export function HtmlFrame({ at, html }: { at: string; html: string }) {
  const frame = useRef<HTMLIFrameElement>(null);
  useEffect(() => {
    const element = frame.current;
    if (!element) return;
    const left = new AbortController();
    const loaded = () => {
      const page = element.contentDocument;
      if (page?.URL !== "about:srcdoc") return;
      // What is pressed in there the page around it does not hear.
      page.addEventListener("keydown", ({ key }) => {
        if (key === "Escape") element.closest("dialog")?.dispatchEvent(new Event("cancel", { cancelable: true }));
      });
      void show(page, html, new Beside(at, left.signal), left.signal);
    };
    element.addEventListener("load", loaded, { signal: left.signal });
    element.srcdoc = EMPTY;
    return () => left.abort();
  }, [at, html]);
  // `allow-same-origin` lets us in; without `allow-scripts` nothing in there can do anything with it.
  return <iframe class="preview-page" ref={frame} title="The page" sandbox="allow-same-origin" referrerpolicy="no-referrer" />;
}

async function show(page: Document, html: string, beside: Beside, left: AbortSignal): Promise<void> {
  const view = page.defaultView;
  if (!view) return;
  const { root, styles, sheets, pictures } = strip(html, new view.DOMParser());
  page.replaceChild(page.adoptNode(root), page.documentElement);
  for (const { element, text } of styles) element.style.cssText = text;
  for (const { text, name, media } of sheets.slice(0, MOST_FILES)) {
    const css = text ?? new TextDecoder().decode((await beside.file(name, MOST_OF_SHEET))?.bytes);
    if (left.aborted) return;
    const sheet = new view.CSSStyleSheet({ media });
    sheet.replaceSync(css);
    page.adoptedStyleSheets.push(sheet);
  }
  for (const { element, name } of pictures) {
    const address = await addressOf(name, beside);
    if (address) element.src = address;
  }
}

async function addressOf(name: string, beside: Beside): Promise<string | null> {
  if (/^data:image\//i.test(name)) return name;
  if (!pictureType(name.split(/[?#]/)[0] ?? "")) return null;
  const file = await beside.file(name);
  // A page may show one picture many times.
  return file && (file.address ??= dataUrl(file.bytes, pictureType(file.path) ?? ""));
}
