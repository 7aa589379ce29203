import { useSignal } from "@preact/signals";
import { useId } from "preact/hooks";

import { locked, Refusal, told, unlocks } from "../api/client";
import { Button } from "../parts/Button";
import { Dialog } from "../parts/Dialog";
import { begin } from "./session";

/** Asks for a key when the server wants one, and begins a session with it. */
export function KeyAsked() {
  const key = useSignal("");
  const wrong = useSignal("");
  const busy = useSignal(false);
  const hint = useId();
  const send = async (event: SubmitEvent) => {
    event.preventDefault();
    busy.value = true;
    try {
      await begin(key.value.trim());
      unlocks.value += 1;
      locked.value = false;
    } catch (error) {
      const refused = error instanceof Refusal && error.code === "key_refused";
      wrong.value = refused ? "This key opens nothing here: it is wrong, revoked or expired." : told(error);
      busy.value = false;
    }
  };
  return (
    <Dialog title="This server asks for a key" onClose={() => (locked.value = false)}>
      <form class="key-asked" onSubmit={(event) => void send(event)}>
        <label>
          Key
          <input
            type="password"
            autocomplete="current-password"
            autofocus
            required
            value={key.value}
            aria-invalid={wrong.value !== ""}
            aria-describedby={hint}
            onInput={(event) => (key.value = event.currentTarget.value)}
          />
        </label>
        <p id={hint} class={wrong.value ? "field-problem" : "dim small"} role={wrong.value ? "alert" : undefined}>
          {wrong.value || "On the machine where the server runs, this makes one: cagent key create me --scope operate"}
        </p>
        <div class="dialog-buttons">
          <Button kind="main" type="submit" busy={busy.value}>
            Unlock
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
