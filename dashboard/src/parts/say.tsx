import "./say.css";

import { signal } from "@preact/signals";

interface Said {
  text: string;
  bad: boolean;
  /** What takes back what was said to be done. */
  undo: (() => void) | undefined;
}

const said = signal<Said | null>(null);
let timer: ReturnType<typeof setTimeout> | undefined;

/** How long there is time to read it, and to take it back, in ms. */
export const TIME = 7000;

/** Says in a line at the bottom what was done, or what failed. */
export function say(text: string, { bad = false, undo }: { bad?: boolean; undo?: () => void } = {}): void {
  clearTimeout(timer);
  said.value = { text, bad, undo };
  timer = setTimeout(hush, TIME);
}

/** Takes the line away. */
export function hush(): void {
  said.value = null;
}

/** Where it is said; once in a page. */
export function Sayings() {
  const now = said.value;
  const undo = now?.undo;
  return (
    <div class="sayings" role="status">
      {now && (
        <p class={now.bad ? "said bad" : "said"}>
          <span>{now.text}</span>
          {undo && (
            <button type="button" onClick={() => (hush(), undo())}>
              Undo
            </button>
          )}
          <button type="button" aria-label="Close" onClick={hush}>
            ✕
          </button>
        </p>
      )}
    </div>
  );
}
