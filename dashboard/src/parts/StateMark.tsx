import "./StateMark.css";

import type { Shape, State } from "../core/words";

/** A state by shape, colour and word; `quiet` leaves the word to those who hear the page. */
export function StateMark({ shape, word, quiet = false }: State & { quiet?: boolean }) {
  return (
    <span class={`state ${shape}`} title={quiet ? word : undefined}>
      <svg viewBox="0 0 16 16" aria-hidden="true">
        {DRAWN[shape]}
      </svg>
      <span class={quiet ? "unseen" : ""}>{word}</span>
    </span>
  );
}

const ring = <circle cx="8" cy="8" r="6" class="line" />;
const full = <circle cx="8" cy="8" r="7" class="full" />;

const DRAWN: Record<Shape, preact.JSX.Element> = {
  queued: <circle cx="8" cy="8" r="6" class="line dashed" />,
  starting: (
    <>
      {ring}
      <path d="M8 2a6 6 0 0 1 0 12z" class="full" />
    </>
  ),
  running: (
    <>
      <circle cx="8" cy="8" r="6" class="line faint" />
      <path d="M8 2a6 6 0 0 1 6 6" class="line turning" />
      <circle cx="8" cy="8" r="2" class="full" />
    </>
  ),
  packing: <path d="M2 5.5 8 2.5l6 3v6l-6 3-6-3zM2 5.5l6 3 6-3M8 8.5v6" class="line" />,
  ok: (
    <>
      {full}
      <path d="m4.8 8.2 2.3 2.3 4.2-4.7" class="cut" />
    </>
  ),
  bad: (
    <>
      <path d="M5 1h6l4 4v6l-4 4H5l-4-4V5z" class="full" />
      <path d="m5.4 5.4 5.2 5.2m0-5.2-5.2 5.2" class="cut" />
    </>
  ),
  stopped: (
    <>
      {ring}
      <path d="m4 12 8-8" class="line" />
    </>
  ),
  waiting: (
    <>
      <path d="M8 .8 15.2 8 8 15.2.8 8z" class="full" />
      <path d="M8 4.6v4M8 11v.4" class="cut" />
    </>
  ),
  unknown: (
    <>
      {ring}
      <path d="M6.3 6.4a1.8 1.8 0 1 1 2.5 1.7q-.8.4-.8 1.2M8 11.2v.3" class="line" />
    </>
  ),
};
