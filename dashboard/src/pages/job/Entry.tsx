import type { Entry as TimelineEntry, Quiet } from "../../core/timeline";
import { count, duration, money, short } from "../../core/words";
import { StateMark } from "../../parts/StateMark";
import type { JobState } from "./state";
import { StepCard } from "./StepCard";

/** One thing that happened. */
export function Entry({ entry, state }: { entry: TimelineEntry; state: JobState }) {
  switch (entry.type) {
    case "step":
      return <StepCard step={entry.step} state={state} />;
    case "said":
      return (
        <li class={`entry said-by ${entry.by}`}>
          <p class="small dim">
            <b>{entry.by === "agent" ? "Agent" : "You"}</b> <Clock at={entry.at} />
          </p>
          <p class="said-text">{entry.text}</p>
        </li>
      );
    case "decided":
      return (
        <li class="entry entry-line">
          <StateMark shape={entry.approved ? "ok" : "stopped"} word={entry.approved ? "Approved" : "Rejected"} />
          <span>
            step {entry.step}
            {entry.reason && `: ${entry.reason}`}
          </span>
          <Clock at={entry.at} />
        </li>
      );
    case "notice":
      return (
        <li class={`entry entry-line ${entry.warns ? "warns" : ""}`}>
          <StateMark shape={entry.warns ? "waiting" : "unknown"} word={entry.warns ? "Warning" : "Note"} quiet />
          <span>
            {entry.text}
            {entry.count > 1 && <b> ({entry.count.toLocaleString("en")} times)</b>}
          </span>
          <Clock at={entry.at} />
        </li>
      );
    case "quiet":
      return <Between items={entry.items} state={state} />;
  }
}

function Clock({ at }: { at: number }) {
  const time = new Date(at);
  return (
    <time class="clock" dateTime={time.toISOString()} title={time.toLocaleString()}>
      {time.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" })}
    </time>
  );
}

function Between({ items, state }: { items: readonly Quiet[]; state: JobState }) {
  const all = state.everything.value;
  if (all) {
    return (
      <li class="entry quiet">
        <ul>
          {items.map((item, i) => (
            <li key={i} class="entry-line">
              <span>{says(item)}</span>
              <Clock at={item.at} />
            </li>
          ))}
        </ul>
      </li>
    );
  }
  const words = gist(items);
  return words ? <li class="entry quiet">{words}</li> : null;
}

function gist(items: readonly Quiet[]): string {
  const calls = items.flatMap((item) => (item.type === "call" ? [item.call] : []));
  if (calls.length === 0) return "";
  const sum = (of: (call: (typeof calls)[number]) => number) => calls.reduce((all, call) => all + of(call), 0);
  const models = [...new Set(calls.map((call) => call.model))].join(", ");
  const cost = sum((call) => call.cost_usd ?? 0);
  const parts = [
    calls.length === 1 ? models : `${models}, ${count(calls.length, "call")}`,
    `${short(sum((call) => call.input_tokens + call.output_tokens))} tokens`,
    duration(sum((call) => call.millis)),
  ];
  if (cost > 0) parts.push(money(cost));
  return parts.join(" · ");
}

function says(item: Quiet): string {
  switch (item.type) {
    case "phase":
      return item.text;
    case "node":
      return `${item.node} → ${item.action ?? "end"}${item.millis === null ? "" : ` · ${duration(item.millis)}`}`;
    case "call": {
      const { call } = item;
      const cached = call.cached_tokens > 0 ? ` (${short(call.cached_tokens)} cached)` : "";
      const cost = call.cost_usd == null ? "" : ` · ${money(call.cost_usd)}`;
      return `${call.provider}/${call.model} · ${short(call.input_tokens)} in${cached}, ${short(call.output_tokens)} out · ${duration(call.millis)}${cost}`;
    }
    case "egress": {
      const { host, port, received_bytes, sent_bytes } = item.egress;
      return `connected to ${host}:${port} · ${short(sent_bytes)}B sent, ${short(received_bytes)}B received`;
    }
  }
}
