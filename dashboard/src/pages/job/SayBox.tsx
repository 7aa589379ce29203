import { useSignal } from "@preact/signals";
import { useId } from "preact/hooks";

import { Button } from "../../parts/Button";
import { attempt, tell } from "./actions";
import type { JobState } from "./state";

/** Where one says something to the job's agent, while it works. */
export function SayBox({ state }: { state: JobState }) {
  const [text, busy] = [useSignal(""), useSignal(false)];
  const field = useId();
  if (state.over.value || state.job.value?.mode !== "agent") return null;
  const send = async () => {
    if (text.value.trim() === "" || busy.value) return;
    busy.value = true;
    if (await attempt(() => tell(state.id, text.value))) text.value = "";
    busy.value = false;
  };
  return (
    <form
      class="say-box"
      onSubmit={(event) => {
        event.preventDefault();
        void send();
      }}
    >
      <label for={field} class="unseen">
        Say something to the agent
      </label>
      <textarea
        id={field}
        rows={2}
        maxLength={65_536}
        placeholder="Say something to the agent: it hears it at its next turn"
        value={text.value}
        onInput={({ currentTarget }) => (text.value = currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
          event.preventDefault();
          void send();
        }}
      />
      <Button kind="main" type="submit" busy={busy.value} disabled={text.value.trim() === ""}>
        Say
      </Button>
    </form>
  );
}
