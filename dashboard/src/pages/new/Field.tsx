import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";

import { problems } from "./draft";

/** A labelled field of the draft, with what is wrong with it. */
export function Field({
  name,
  label,
  hint,
  children,
}: {
  /** As the API calls it. */
  name: string;
  label: string;
  hint?: ComponentChildren;
  children: (input: { id: string; "aria-invalid": boolean; "aria-describedby": string }) => ComponentChildren;
}) {
  const id = useId();
  const about = `${id}-about`;
  const wrong = problems.value.get(name);
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {children({ id, "aria-invalid": wrong !== undefined, "aria-describedby": about })}
      <p id={about} class={wrong ? "field-problem" : "dim small"}>
        {wrong ?? hint}
      </p>
    </div>
  );
}
