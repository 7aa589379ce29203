import "./Empty.css";

import type { ComponentChildren } from "preact";

/** What stands where there is nothing: why, and what to do. */
export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <p class="empty-title">{title}</p>
      {children}
    </div>
  );
}

/** What went wrong with loading something, and a way to try again. */
export function Failed({ what, why, again }: { what: string; why: string; again?: () => void }) {
  return (
    <div class="empty failed" role="alert">
      <p class="empty-title">{what}</p>
      <p class="dim">{why}</p>
      {again && (
        <button type="button" class="button" onClick={again}>
          Try again
        </button>
      )}
    </div>
  );
}
