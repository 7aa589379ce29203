import { useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";

import { told } from "../api/client";
import type { Span } from "../core/lines";
import type { Position } from "../core/window";
import { useShortcuts } from "../keys";
import { Icon } from "./Icon";
import type { LogBytes } from "./LogBytes";
import type { LogModel } from "./LogModel";
import { LogSearch } from "./LogSearch";

/** How long somebody types before it is looked for, in ms. */
const TYPING = 250;

/** Looks for words in all of a log, also in what was not read yet. */
export function LogFind({ model, bytes, spans }: { model: LogModel; bytes: LogBytes; spans: readonly Span[] }) {
  const search = useMemo(() => new LogSearch(bytes), [bytes]);
  const field = useRef<HTMLInputElement>(null);
  const typing = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const says = useSignal("");
  const stop = () => {
    clearTimeout(typing.current);
    search.stop();
  };
  useEffect(() => stop, [search]);
  const look = async (by: 1 | -1, from: Position) => {
    stop();
    const words = field.current?.value ?? "";
    says.value = "";
    if (words === "") return model.show(null);
    try {
      const hit = await search.look(spans, words, from, by);
      if (hit) model.show(hit);
      if (hit === null) says.value = "Not found";
    } catch (error) {
      says.value = told(error);
    }
  };
  // What is seen lies ahead; and what was found, as long as somebody types.
  const here = (types = model.hit === null): Position => {
    const { chunk, row } = model.hit ?? model.position;
    return { chunk, row: types ? Math.ceil(row) - 1 : row };
  };
  const go = (by: 1 | -1) => void look(by, here());
  const typed = () => {
    stop();
    typing.current = setTimeout(() => void look(1, here(true)), TYPING);
  };
  model.version.value;
  useShortcuts(model.hit ? [
    { keys: "n", says: "Next place where it was found", run: () => go(1) },
    { keys: "N", says: "Place before", run: () => go(-1) },
  ] : []);
  return (
    <div class="log-find" role="search" aria-label="In the output">
      <label class="log-find-field">
        <Icon name="search" />
        <span class="unseen">Search in the output</span>
        <input
          ref={field}
          type="search"
          placeholder="Search  /"
          maxLength={200}
          spellcheck={false}
          onInput={typed}
          onKeyDown={(event) => {
            if (event.isComposing || (event.key !== "Enter" && event.key !== "Escape")) return;
            // The field would empty itself.
            event.preventDefault();
            if (event.key === "Enter") return go(event.shiftKey ? -1 : 1);
            stop();
            event.currentTarget.blur();
          }}
        />
      </label>
      <Step name="above" says="Place before" run={() => go(-1)} />
      <Step name="below" says="Next place" run={() => go(1)} />
      <Looking search={search} stop={stop} />
      <span role="status">{says.value}</span>
    </div>
  );
}

function Step({ name, says, run }: { name: "above" | "below"; says: string; run: () => void }) {
  return (
    <button type="button" aria-label={says} title={says} onClick={run}>
      <Icon name={name} />
    </button>
  );
}

function Looking({ search, stop }: { search: LogSearch; stop: () => void }) {
  const looked = search.looked.value;
  if (looked === null) return null;
  return (
    <>
      <progress aria-label="Looked through" value={looked} />
      <button type="button" onClick={stop}>
        Stop
      </button>
    </>
  );
}
