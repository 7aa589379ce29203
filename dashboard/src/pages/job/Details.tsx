import type { Job } from "../../api/client";
import { bytes, duration, money, short } from "../../core/words";
import { Code } from "../../parts/Code";
import type { JobState } from "./state";

/** What it was asked to do, what it may, and how its sandbox is protected. */
export function Details({ state }: { state: JobState }) {
  const job = state.job.value as Job;
  const sandbox = state.timeline.value.sandbox ?? job.sandbox;
  return (
    <>
      <h3>Prompt</h3>
      <Code text={job.prompt} language="markdown" />
      <dl class="table">
        {rowsOf(job).map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      {sandbox && sandbox.shortfalls.length > 0 && (
        <>
          <h3>Not enforced on this machine</h3>
          <ul class="shortfalls small">
            {sandbox.shortfalls.map(({ what, why, cure }) => (
              <li key={what}>
                <b>{what}</b>: {why}. <span class="dim">{cure}</span>
              </li>
            ))}
          </ul>
        </>
      )}
    </>
  );
}

function rowsOf(job: Job): [string, string][] {
  const { limits } = job;
  const rows: [string, string | undefined | null | false][] = [
    ["Job", job.job_id],
    ["Mode", job.mode],
    ["Model", job.model],
    ["Engine", job.engine],
    ["Image", job.image],
    ["Network", typeof job.network === "string" ? job.network : job.network.join(", ")],
    ["Variables", job.environment.join(", ")],
    ["Approval", job.approve && "each step waits for a person"],
    ["Time", limits.wall_seconds !== undefined && duration(limits.wall_seconds * 1000)],
    ["Cores", limits.cpus !== undefined && String(limits.cpus)],
    ["Memory", limits.memory_bytes !== undefined && bytes(limits.memory_bytes)],
    ["Disk", limits.disk_bytes !== undefined && bytes(limits.disk_bytes)],
    ["Processes", limits.processes !== undefined && String(limits.processes)],
  ];
  if (job.mode === "agent") {
    rows.push(
      ["Steps", limits.steps !== undefined && short(limits.steps)],
      ["Model calls", limits.model_calls !== undefined && short(limits.model_calls)],
      ["Tokens", limits.model_tokens !== undefined && short(limits.model_tokens)],
      ["Cost", limits.cost_usd !== undefined && money(limits.cost_usd)],
    );
  }
  return rows.filter((row): row is [string, string] => Boolean(row[1]));
}
