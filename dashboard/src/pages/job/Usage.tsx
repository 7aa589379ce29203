import type { Job } from "../../api/client";
import { rate } from "../../core/chart";
import { bytes, duration, money, short } from "../../core/words";
import { Chart, type Point } from "../../parts/Chart";
import { useNow } from "./clock";
import type { JobState } from "./state";

/** What the job uses and costs, over time. */
export function Usage({ state }: { state: JobState }) {
  const job = state.job.value as Job;
  const { using, spending } = state.timeline.value;
  const now = useNow(!state.over.value);
  const from = Date.parse(job.started ?? job.created);
  const to = job.completed ? Date.parse(job.completed) : now;
  const of = <T,>(samples: readonly { at: number; value: T }[], pick: (value: T) => number | null | undefined): Point[] =>
    samples.flatMap(({ at, value }) => {
      const picked = pick(value);
      return picked == null ? [] : [{ at, value: picked }];
    });
  const charts = [
    { title: "Processor", points: rate(of(using, ({ cpu_millis }) => cpu_millis)), says: cores, most: job.limits.cpus },
    { title: "Memory", points: of(using, ({ memory_bytes }) => memory_bytes), says: bytes, most: job.limits.memory_bytes },
    { title: "Disk", points: of(using, ({ disk_bytes }) => disk_bytes), says: bytes, most: job.limits.disk_bytes },
    { title: "Tokens", points: of(spending, ({ input, output }) => input + output), says: short },
    { title: "Cost", points: of(spending, ({ cost }) => cost), says: money, most: job.limits.cost_usd },
  ].filter(({ points }) => points.length > 0);
  return (
    <div class="charts">
      {charts.map((chart) => (
        <Chart key={chart.title} {...chart} from={from} to={to} time={duration} />
      ))}
      <Totals job={job} />
      {charts.length === 0 && !job.usage && (
        <p class="dim small">{state.over.value ? "Nothing was measured." : "Nothing was measured yet."}</p>
      )}
    </div>
  );
}

function cores(value: number): string {
  return `${value.toFixed(2)} cores`;
}

function Totals({ job }: { job: Job }) {
  const { usage } = job;
  if (!usage) return null;
  const rows = [
    ["Processor time", usage.cpu_ms, duration],
    ["Held back by the limit", usage.cpu_throttled_ms || null, duration],
    ["Most memory", usage.memory_peak_bytes, bytes],
    ["Killed for want of memory", usage.oom_kills || null, String],
    ["Most processes", usage.processes_peak, String],
    ["Workspace", usage.disk_bytes, bytes],
    ["Output", usage.output_bytes, bytes],
    ["Sent", usage.egress_sent_bytes || null, bytes],
    ["Received", usage.egress_received_bytes || null, bytes],
    ["Model calls", usage.model_calls, String],
    ["Cost", usage.cost_usd, money],
  ] as const;
  return (
    <dl class="table">
      {rows.map(([name, value, says]) =>
        value == null ? null : (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{says(value)}</dd>
          </div>
        ))}
    </dl>
  );
}
