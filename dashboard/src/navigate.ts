/** Goes from page to page without loading anew. */

import { computed, signal } from "@preact/signals";

import { parse } from "./core/route";

const path = signal(location.pathname);

export const route = computed(() => parse(path.value));

/** Shows the page at `to`, such as `/jobs/<id>` or `/?status=error`. */
export function go(to: string): void {
  if (to !== location.pathname + location.search) history.pushState(null, "", to);
  arrive();
}

/** Lets links of the page and the browser's own buttons do the same. */
export function listen(): void {
  addEventListener("popstate", arrive);
  document.addEventListener("click", (event) => {
    const link = (event.target as Element | null)?.closest?.("a");
    if (link && isOurs(link) && isPlain(event)) {
      event.preventDefault();
      go(link.pathname + link.search);
    }
  });
}

function arrive(): void {
  path.value = location.pathname;
}

function isOurs(link: HTMLAnchorElement): boolean {
  const stays = !link.target && !link.hasAttribute("download") && !link.hash;
  return stays && link.origin === location.origin && parse(link.pathname).page !== "unknown";
}

function isPlain(event: MouseEvent): boolean {
  const modified = event.ctrlKey || event.metaKey || event.shiftKey || event.altKey;
  return event.button === 0 && !modified && !event.defaultPrevented;
}
