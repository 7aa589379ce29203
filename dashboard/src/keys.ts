/** The page's shortcuts: parts bind theirs while they are there. */

import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";

import { press, type Shortcut } from "./core/keys";

/** How long the first of two keys counts, in ms. */
const PATIENCE = 1500;

const STORED = "cagent-no-shortcuts";

/** Those that work now. */
export const shortcuts = signal<readonly Shortcut[]>([]);

/** Whether single keys do something: who speaks to the computer turns them off. */
export const enabled = signal(localStorage.getItem(STORED) === null);

export function enable(on: boolean): void {
  enabled.value = on;
  if (on) localStorage.removeItem(STORED);
  else localStorage.setItem(STORED, "1");
}

const bound = new Set<{ mine: readonly Shortcut[] }>();

/** Binds shortcuts while the component is there, as it was drawn last; they come before those bound earlier. */
export function useShortcuts(mine: readonly Shortcut[]): void {
  const slot = useRef({ mine }).current;
  useEffect(() => {
    slot.mine = mine;
    bound.add(slot);
    rebound();
  });
  useEffect(() => () => {
    bound.delete(slot);
    rebound();
  }, []);
}

function rebound(): void {
  shortcuts.value = [...bound].flatMap(({ mine }) => mine);
}

let before = "";
let forget: ReturnType<typeof setTimeout> | undefined;

/** Begins to listen. */
export function listen(): void {
  document.addEventListener("keydown", (event) => {
    if (!enabled.peek() || event.defaultPrevented || isForSomethingElse(event)) return;
    const { run, before: next } = press(shortcuts.peek(), before, event.key);
    before = next;
    clearTimeout(forget);
    forget = setTimeout(() => (before = ""), PATIENCE);
    if (!run) return;
    event.preventDefault();
    run();
  });
}

function isForSomethingElse(event: KeyboardEvent): boolean {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return true;
  if (document.querySelector("dialog[open]")) return true;
  const target = event.target as HTMLElement;
  if (target.closest("input, textarea, select, canvas, iframe, [contenteditable]")) return true;
  // Enter and the space bar press what has the focus.
  return (event.key === "Enter" || event.key === " ") && target.closest("a, button, summary") !== null;
}
