import { useSignal } from "@preact/signals";
import { useId } from "preact/hooks";

import { later } from "../../frame/later";
import { Button } from "../../parts/Button";
import { attempt, enter } from "./actions";
import { Panel } from "./Panel";
import type { JobState } from "./state";

const Desktop = later(() => import("./Desktop"));

/** The desktop, Jupyter and what the job serves: while it runs. */
export function WaysIn({ state }: { state: JobState }) {
  if (state.status.value !== "running") return null;
  return (
    <>
      <Panel name="desktop" title="Desktop" aside={state.timeline.value.taken ? "a person has control" : null}>
        <Desktop state={state} />
      </Panel>
      <Panel name="ways" title="Jupyter and previews">
        <div class="ways">
          <Button onClick={() => void attempt(() => enter(state.id, { view: "jupyter" }))}>Open Jupyter</Button>
          <Preview id={state.id} />
        </div>
      </Panel>
    </>
  );
}

function Preview({ id }: { id: string }) {
  const port = useSignal("");
  const field = useId();
  const number = Number(port.value);
  const isPort = Number.isInteger(number) && number >= 1 && number <= 65_535;
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (isPort) void attempt(() => enter(id, { view: "preview", port: number }));
      }}
    >
      <label for={field}>What it serves on port</label>{" "}
      <input
        id={field}
        class="port"
        inputMode="numeric"
        placeholder="8080"
        value={port.value}
        onInput={({ currentTarget }) => (port.value = currentTarget.value.trim())}
      />{" "}
      <Button type="submit" disabled={!isPort}>
        Open
      </Button>
    </form>
  );
}
