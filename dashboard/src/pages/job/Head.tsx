import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";

import type { Job } from "../../api/client";
import { cancel, deleteSoon, runbookOf } from "../../api/jobs";
import { ago, bytes, count, duration, isOver, jobState, money, short } from "../../core/words";
import { useShortcuts } from "../../keys";
import { go } from "../../navigate";
import { Button } from "../../parts/Button";
import { Dialog } from "../../parts/Dialog";
import { Icon } from "../../parts/Icon";
import { StateMark } from "../../parts/StateMark";
import { attempt, resume } from "./actions";
import { useNow } from "./clock";
import type { JobState } from "./state";

/** What the job is, how it stands, and what can be done with it. */
export function Head({ state }: { state: JobState }) {
  const job = state.job.value as Job;
  const status = state.status.value;
  return (
    <header class="job-head">
      <div class="job-title">
        <h1>{job.title || "Untitled"}</h1>
        <StateMark {...jobState({ status, waiting: state.waiting.value })} />
        {state.timeline.value.cancelling && !state.over.value && <span class="dim">being cancelled</span>}
      </div>
      <Facts state={state} />
      <div class="job-buttons">{state.over.value ? <Afterwards job={job} /> : <Meanwhile state={state} />}</div>
    </header>
  );
}

function Facts({ state }: { state: JobState }) {
  const job = state.job.value as Job;
  const { spent, sandbox: reported } = state.timeline.value;
  const sandbox = reported ?? job.sandbox;
  const now = useNow(!state.over.value);
  const from = Date.parse(job.started ?? job.created);
  const to = job.completed ? Date.parse(job.completed) : now;
  return (
    <dl class="job-facts">
      <Fact name={spanOf(job)}>{duration(Math.max(0, to - from))}</Fact>
      <Fact name="Given">
        <time dateTime={job.created} title={new Date(job.created).toLocaleString()}>{ago(Date.parse(job.created), now)}</time>
      </Fact>
      {spent.calls > 0 && (
        <Fact name="Tokens">
          {short(spent.input)} in, {short(spent.output)} out
        </Fact>
      )}
      {spent.cost !== null && <Fact name="Cost">{money(spent.cost)}</Fact>}
      <Fact name="Sandbox">
        {job.engine}
        {sandbox && ` · ${sandbox.isolation}`}
        {sandbox && sandbox.shortfalls.length > 0 && (
          <span class="warn" title={sandbox.shortfalls.map(({ what, why }) => `${what}: ${why}`).join("\n")}>
            {" "}
            · {count(sandbox.shortfalls.length, "limit")} not enforced
          </span>
        )}
      </Fact>
      {job.resumes && (
        <Fact name="Goes on after">
          <JobLink id={job.resumes} />
        </Fact>
      )}
      {job.resumed_by && (
        <Fact name="Goes on in">
          <JobLink id={job.resumed_by} />
        </Fact>
      )}
    </dl>
  );
}

function JobLink({ id }: { id: string }) {
  return <a href={`/jobs/${id}`}>{id.slice(0, 13)}…</a>;
}

function spanOf({ started, completed }: Job): string {
  if (started) return completed ? "Took" : "Runs for";
  return completed ? "Waited" : "Waits";
}

function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function Meanwhile({ state }: { state: JobState }) {
  const asking = useSignal(false);
  const ask = () => (asking.value = true);
  const isPast = state.status.value === "packaging" || state.timeline.value.cancelling;
  useShortcuts(isPast ? [] : [{ keys: "c", says: "Cancel this job", run: ask }]);
  return (
    <>
      <Button kind="danger" disabled={isPast} onClick={ask}>
        <Icon name="stop" /> Cancel
      </Button>
      {asking.value && <Sure id={state.id} onClose={() => (asking.value = false)} />}
    </>
  );
}

function Afterwards({ job }: { job: Job }) {
  const busy = useSignal("");
  const deleted = () => {
    deleteSoon(job);
    go("/");
  };
  const act = (name: string, doing: () => Promise<unknown>) => async () => {
    busy.value = name;
    await attempt(doing);
    busy.value = "";
  };
  return (
    <>
      {job.links.download && isOver(job.status) && (
        <a class="button main" href={job.links.download} download>
          <Icon name="down" /> Download ZIP {job.zip_bytes !== null && <span class="small">{bytes(job.zip_bytes)}</span>}
        </a>
      )}
      {job.resumable && (
        <Button busy={busy.value === "resume"} onClick={act("resume", () => resume(job.job_id))}>
          <Icon name="next" /> Resume
        </Button>
      )}
      <a class="button" href={`/new?from=${job.job_id}`}>
        <Icon name="again" /> Run again
      </a>
      {job.mode === "agent" && job.links.download && (
        <a class="button" href={`/new?from=${job.job_id}&as=runbook`} title="Does again what the agent did, from its runbook">
          Run again without a model
        </a>
      )}
      <Button busy={busy.value === "runbook"} title="Download what was done, as a runbook" onClick={act("runbook", () => saveRunbook(job))}>
        <Icon name="down" /> Runbook
      </Button>
      <Button kind="bare" aria-label="Delete this job" title="Delete" onClick={deleted}>
        <Icon name="delete" />
      </Button>
    </>
  );
}

/** Asks whether it is to be cancelled: that cannot be taken back. */
function Sure({ id, onClose }: { id: string; onClose: () => void }) {
  const busy = useSignal(false);
  const yes = async () => {
    busy.value = true;
    await cancel(id);
    onClose();
  };
  return (
    <Dialog title="Cancel this job?" onClose={onClose}>
      <p>What it did so far is packed into its ZIP. It cannot go on afterwards.</p>
      <div class="dialog-buttons">
        <Button onClick={onClose}>Let it run</Button>
        <Button kind="danger" busy={busy.value} onClick={yes}>
          Cancel the job
        </Button>
      </div>
    </Dialog>
  );
}

async function saveRunbook(job: Job): Promise<void> {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([await runbookOf(job)], { type: "text/markdown" }));
  link.download = `${job.job_id}.md`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
