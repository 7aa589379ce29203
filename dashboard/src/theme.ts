/** Light or dark: as the system says, until somebody chooses. */

import { signal } from "@preact/signals";

export type Theme = "system" | "light" | "dark";

const STORED = "cagent-theme";
const NEXT: Record<Theme, Theme> = { system: "light", light: "dark", dark: "system" };

export const theme = signal<Theme>(stored());

/** Takes the next of the three. */
export function turn(): void {
  theme.value = NEXT[theme.peek()];
  localStorage.setItem(STORED, theme.peek());
}

/** Keeps the document as chosen. */
export function apply(): void {
  theme.subscribe((now) => {
    if (now === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = now;
  });
}

function stored(): Theme {
  const value = localStorage.getItem(STORED);
  return value === "light" || value === "dark" ? value : "system";
}
