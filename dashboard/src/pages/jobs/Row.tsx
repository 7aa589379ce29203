import type { ComponentChildren } from "preact";

import type { JobSummary } from "../../api/client";
import { ago, duration, isOver, jobState, why } from "../../core/words";
import { now } from "../../now";
import { StateMark } from "../../parts/StateMark";

/** A job in the list. */
export function Row({ job, actions }: { job: JobSummary; actions: ComponentChildren }) {
  const { job_id, title, created } = job;
  return (
    <article class="row">
      <StateMark {...jobState(job)} />
      <div class="row-name">
        <a href={`/jobs/${job_id}`}>{title || "(no title)"}</a>
        <p class="dim small">{says(job)}</p>
      </div>
      <p class="row-times small">
        <Lasted job={job} />
        <time class="dim" dateTime={created} title={new Date(created).toLocaleString()}>
          <Ago time={Date.parse(created)} />
        </time>
      </p>
      <div class="row-actions">{actions}</div>
    </article>
  );
}

/** What is worth knowing beside the title. */
function says({ job_id, reason, error, waiting, status }: JobSummary) {
  if (waiting && !isOver(status)) return `Waits for your approval: ${waiting.title}`;
  if (reason && reason !== "finished" && reason !== "cancelled") {
    return error ? `${why(reason).text}: ${error}` : why(reason).text;
  }
  return <span class="mono">{job_id}</span>;
}

function Ago({ time }: { time: number }) {
  return <>{ago(time, now.value)}</>;
}

function Lasted({ job: { started, completed } }: { job: JobSummary }) {
  if (!started) return <span />;
  if (completed) return <span>{duration(Date.parse(completed) - Date.parse(started))}</span>;
  const seconds = Math.floor((now.value - Date.parse(started)) / 1000);
  return <span>{duration(Math.max(0, seconds) * 1000)}</span>;
}
