import type { Schemas } from "../../api/client";
import type { Shape } from "../../core/words";
import { StateMark } from "../../parts/StateMark";
import { Panel } from "./Panel";
import type { JobState } from "./state";

const MARKS: Record<Schemas["PlanState"], { shape: Shape; word: string }> = {
  open: { shape: "queued", word: "Open" },
  active: { shape: "running", word: "Being done" },
  done: { shape: "ok", word: "Done" },
  dropped: { shape: "stopped", word: "Given up" },
};

/** What the agent means to do, ticking off. */
export function Plan({ state }: { state: JobState }) {
  const plan = state.timeline.value.plan;
  if (!plan) return null;
  const done = plan.items.filter((item) => item.state === "done").length;
  return (
    <Panel name="plan" title="Plan" aside={`${done} of ${plan.items.length}`}>
      <ol class="plan">
        {plan.items.map((item, i) => (
          <PlanItem key={i} {...item} over={state.over.value} />
        ))}
      </ol>
      {plan.deliverables && plan.deliverables.length > 0 && (
        <p class="small dim">Will hand over: {plan.deliverables.join(", ")}</p>
      )}
    </Panel>
  );
}

function PlanItem({ text, state = "open", over }: Schemas["PlanItem"] & { over: boolean }) {
  // Nothing is being done any more.
  const mark = over && state === "active" ? MARKS.open : MARKS[state];
  return (
    <li class={`plan-item ${state}`}>
      <StateMark {...mark} quiet />
      <span>{text}</span>
    </li>
  );
}
