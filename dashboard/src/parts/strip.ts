/**
 * A page that a job wrote, without what acts, loads or leads elsewhere. What it looks like is told apart:
 * the policy of our pages forbids styles and pictures of its own, so they are given to it from outside.
 */

/** What is left of a page. */
export interface Stripped {
  root: Element;
  /** Its style sheets in order: the text of each, or the name of its file. */
  sheets: { text: string | null; name: string; media: string }[];
  /** Styles of single elements. */
  styles: { element: ElementCSSInlineStyle; text: string }[];
  pictures: { element: HTMLImageElement; name: string }[];
}

const SHEETS = "style, link[rel~=stylesheet i]";

/** Gone with all that is in them. Animations can change where a link leads, without a script. */
const GONE = `style, script, link, meta, base, template, iframe, frame, portal, fencedframe, object, embed, applet,
  animate, animateMotion, animateTransform, set`;

/** Attributes that act, load, lead elsewhere, or hide what the document can do. */
const LEADING = /^(on.*|name|style|.*src|.*srcset|.*href|action|formaction|ping|poster|background|data|manifest|target)$/i;

// In a form or a document, what a page names `remove` hides the method: so these are asked directly.
const { matches, remove, getAttribute, getAttributeNames, removeAttribute } = Element.prototype;

/** Reads it by the parser of the frame where it will stand: then it is that frame that it breaks the rules of. */
export function strip(html: string, parser: DOMParser): Stripped {
  // Nothing of such a document runs, and nothing of it is loaded.
  const all = elementsOf(parser.parseFromString(html, "text/html"));
  const sheets = all.filter((element) => matches.call(element, SHEETS)).map(sheet);
  const pictures = all.filter((element) => matches.call(element, "img"))
    .map((element) => ({ element: element as HTMLImageElement, name: attribute(element, "src") }));
  const styles = all.flatMap((element) => {
    const text = attribute(element, "style");
    return text ? [{ element: element as HTMLElement, text }] : [];
  });
  for (const element of all) matches.call(element, GONE) ? remove.call(element) : tame(element);
  return { root: all[0] as Element, sheets, styles, pictures };
}

function elementsOf(page: Document): Element[] {
  const [found, walker] = [[] as Element[], document.createTreeWalker(page, NodeFilter.SHOW_ELEMENT)];
  while (walker.nextNode()) found.push(walker.currentNode as Element);
  return found;
}

function sheet(element: Element): Stripped["sheets"][number] {
  const text = element.localName === "style" ? element.textContent : null;
  return { text, name: attribute(element, "href"), media: attribute(element, "media") };
}

function tame(element: Element): void {
  // Parts of a drawing name each other so; as a link it would lead to our page.
  const isWithin = (name: string) => /href$/i.test(name) && attribute(element, name).startsWith("#") && !matches.call(element, "a, area");
  for (const name of getAttributeNames.call(element)) {
    if (LEADING.test(name) && !isWithin(name)) removeAttribute.call(element, name);
  }
}

function attribute(element: Element, name: string): string {
  return getAttribute.call(element, name) ?? "";
}
