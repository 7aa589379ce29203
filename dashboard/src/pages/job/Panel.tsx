import { signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";

import { Icon } from "../../parts/Icon";

// Which are open stays from job to job, as long as the page is there.
const open = signal<Record<string, boolean>>({ plan: true, files: true, usage: true });

/** A part of the page beside the steps; what is in it is made when it is opened. */
export function Panel({
  name,
  title,
  aside,
  children,
}: {
  name: string;
  title: string;
  aside?: ComponentChildren;
  children: ComponentChildren;
}) {
  const id = useId();
  const isOpen = open.value[name] ?? false;
  return (
    <section class={isOpen ? "panel open" : "panel"}>
      <h2>
        <button
          type="button"
          aria-expanded={isOpen}
          aria-controls={id}
          onClick={() => (open.value = { ...open.value, [name]: !isOpen })}
        >
          <Icon name="next" />
          <span>{title}</span>
          {aside && <span class="panel-aside">{aside}</span>}
        </button>
      </h2>
      <div id={id} class="panel-body" hidden={!isOpen}>
        {isOpen && children}
      </div>
    </section>
  );
}
