import type { Schemas } from "../../api/client";
import { markOf, progress } from "../../core/plan";
import { StateMark } from "../../parts/StateMark";
import { Panel } from "./Panel";
import type { JobState } from "./state";

/** What the agent means to do, ticking off. */
export function Plan({ state }: { state: JobState }) {
  const plan = state.timeline.value.plan;
  if (!plan) return null;
  const over = state.over.value;
  return (
    <Panel name="plan" title="Plan" aside={progress(plan.items, over)}>
      <ol class="plan">
        {plan.items.map((item, i) => (
          <PlanItem key={i} {...item} over={over} />
        ))}
      </ol>
      {plan.deliverables && plan.deliverables.length > 0 && (
        <p class="small dim">To hand over: {plan.deliverables.join(", ")}</p>
      )}
    </Panel>
  );
}

function PlanItem({ text, state = "open", over }: Schemas["PlanItem"] & { over: boolean }) {
  return (
    <li class={`plan-item ${over && state === "active" ? "open" : state}`}>
      <StateMark {...markOf(state, over)} quiet />
      <span>{text}</span>
    </li>
  );
}
