/** What an agent's plan says, while it works and afterwards. */

import type { Schemas } from "../api/client";
import { count, type State } from "./words";

type Items = readonly Schemas["PlanItem"][];

const MARKS: Record<Schemas["PlanState"], State> = {
  open: { shape: "queued", word: "Open" },
  active: { shape: "running", word: "Being done" },
  done: { shape: "ok", word: "Done" },
  dropped: { shape: "stopped", word: "Given up" },
};

/** How far it is. Of a job that is over, points that nobody ticked off say nothing. */
export function progress(items: Items, over: boolean): string {
  const done = items.filter(({ state }) => state === "done").length;
  if (over && done === 0) return count(items.length, "point");
  return `${done} of ${items.length}`;
}

/** How a point stands. */
export function markOf(state: Schemas["PlanState"], over: boolean): State {
  const isLeft = over && (state === "open" || state === "active");
  return isLeft ? { shape: "queued", word: "Not ticked off" } : MARKS[state];
}
