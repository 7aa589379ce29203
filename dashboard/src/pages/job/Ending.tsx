import type { Job, Schemas } from "../../api/client";
import { jobState, why } from "../../core/words";
import { StateMark } from "../../parts/StateMark";
import { shown } from "./Files";
import type { JobState } from "./state";

/** Why it ended and what to do, what the agent says it made, and what was found when that was checked. */
export function Ending({ state }: { state: JobState }) {
  const job = state.job.value as Job;
  const result = state.timeline.value.result;
  if (!job.reason && !result) return null;
  const good = job.status === "complete";
  return (
    <section class={job.status === "error" ? "card ended-badly" : "card"} aria-label="Result">
      {job.reason && !good && <Why job={job} />}
      {(result?.summary ?? job.summary) && <p class="summary">{result?.summary ?? job.summary}</p>}
      {!job.summary && !result && good && <p>Every step succeeded.</p>}
      <Checks checks={result?.checks ?? job.checks ?? []} />
      <Artifacts paths={result?.artifacts ?? job.artifacts ?? []} />
    </section>
  );
}

function Why({ job }: { job: Job }) {
  const { text, cure } = why(job.reason as Schemas["Reason"]);
  return (
    <>
      <h2>
        <StateMark {...jobState(job)} quiet /> {text}
      </h2>
      {job.error && job.reason !== "cancelled" && <p class="ended-error">{job.error}</p>}
      {cure && <p class="dim">{cure}</p>}
    </>
  );
}

function Checks({ checks }: { checks: readonly Schemas["CheckResult"][] }) {
  if (checks.length === 0) return null;
  return (
    <ul class="checks" aria-label="Checks">
      {checks.map((check, i) => (
        <Check key={i} {...check} />
      ))}
    </ul>
  );
}

function Check({ what, command, passed, found }: Schemas["CheckResult"]) {
  return (
    <li>
      <details open={!passed}>
        <summary>
          <StateMark shape={passed ? "ok" : "bad"} word={passed ? "Passed" : "Failed"} quiet />
          <span>{what}</span>
        </summary>
        {command && <pre>{command}</pre>}
        {found && <pre class="dim">{found}</pre>}
      </details>
    </li>
  );
}

function Artifacts({ paths }: { paths: readonly string[] }) {
  if (paths.length === 0) return null;
  return (
    <ul class="artifacts" aria-label="Files of the result">
      {paths.map((path) => (
        <li key={path}>
          <button type="button" class="button" onClick={() => (shown.value = path)}>
            <bdi>{path}</bdi>
          </button>
        </li>
      ))}
    </ul>
  );
}
