import "./Button.css";

import type { ButtonHTMLAttributes } from "preact";

/** `main` is what the page is for, at most one of each; `danger` loses something; `bare` is an icon. */
type Kind = "plain" | "main" | "danger" | "bare";

/** A button; `busy` says that what it began goes on. */
export function Button({
  kind = "plain",
  busy = false,
  class: more = "",
  disabled,
  ...rest
}: { kind?: Kind; busy?: boolean; class?: string } & Omit<ButtonHTMLAttributes<HTMLButtonElement>, "class">) {
  return (
    <button
      type="button"
      {...rest}
      disabled={disabled || busy}
      aria-busy={busy}
      class={`button ${kind} ${more}`}
    />
  );
}
