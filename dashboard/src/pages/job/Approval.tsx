import { useSignal } from "@preact/signals";
import { useId } from "preact/hooks";

import { Button } from "../../parts/Button";
import { Code } from "../../parts/Code";
import { StateMark } from "../../parts/StateMark";
import { attempt, decide } from "./actions";
import type { JobState } from "./state";

/** The step that waits for a person, and what they say to it. */
export function Approval({ state }: { state: JobState }) {
  const waiting = state.waiting.value;
  return (
    <div role="status">{waiting && <Question key={waiting.step} state={state} {...waiting} />}</div>
  );
}

function Question({ state, step, kind, title, code }: NonNullable<JobState["waiting"]["value"]> & { state: JobState }) {
  const [busy, rejecting, reason] = [useSignal(false), useSignal(false), useSignal("")];
  const field = useId();
  const answer = async (approve: boolean) => {
    busy.value = true;
    await attempt(() => decide(state.id, step, approve, approve ? "" : reason.value.trim()));
    busy.value = false;
  };
  const reject = () => (rejecting.value ? void answer(false) : (rejecting.value = true));
  return (
    <section class="card asks" aria-label="A step waits for you">
      <h2>
        <StateMark shape="waiting" word="Needs you" />
      </h2>
      <p>
        May step {step} (<code>{kind}</code>) be run? <b>{title}</b>
      </p>
      {code && <Code text={code} language={kind === "file" ? title : kind} />}
      {rejecting.value && (
        <label for={field}>
          Why not? <span class="dim">The agent reads it and tries something else.</span>
          <textarea
            id={field}
            rows={2}
            value={reason.value}
            ref={(element) => element?.focus()}
            onInput={({ currentTarget }) => (reason.value = currentTarget.value)}
          />
        </label>
      )}
      <div class="job-buttons">
        <Button kind="main" busy={busy.value} onClick={() => void answer(true)}>
          Approve
        </Button>
        <Button kind="danger" busy={busy.value} onClick={reject}>
          Reject
        </Button>
        {rejecting.value && <Button onClick={() => (rejecting.value = false)}>Back</Button>}
      </div>
    </section>
  );
}
