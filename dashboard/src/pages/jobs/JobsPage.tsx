import "./JobsPage.css";

import { useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";

import type { JobSummary } from "../../api/client";
import { cancel, deleteSoon } from "../../api/jobs";
import { isOver } from "../../core/words";
import { useShortcuts } from "../../keys";
import { go } from "../../navigate";
import { Button } from "../../parts/Button";
import { Dialog } from "../../parts/Dialog";
import { Empty, Failed } from "../../parts/Empty";
import { Icon } from "../../parts/Icon";
import { GROUPS, type Group, type ListOfJobs, listOfJobs } from "./model";
import { Row } from "./Row";
import { Rows } from "./Rows";

/** How long somebody types before it is searched for, in ms. */
const TYPING = 200;

/** All jobs, live. */
export default function JobsPage() {
  const list = useMemo(listOfJobs, []);
  const stopping = useSignal<JobSummary | null>(null);
  const search = useRef<HTMLInputElement>(null);
  useEffect(() => list.watch(), [list]);
  useShortcuts([{ keys: "/", says: "Search", run: () => search.current?.focus() }]);
  const jobs = list.jobs.value;
  return (
    <div class="jobs">
      <h1 class="unseen">Jobs</h1>
      <div class="jobs-tools">
        <Filters list={list} />
        <Search list={list} input={search} />
        <a class="button main" href="/new">
          New task
        </a>
      </div>
      {list.error.value && !jobs && <Failed what="The jobs cannot be read" why={list.error.value} again={list.reload} />}
      {jobs?.length === 0 && <Nothing list={list} />}
      {jobs && jobs.length > 0 && (
        <Rows
          jobs={jobs}
          onEnd={() => void list.loadMore()}
          draw={(job) => <Row job={job} actions={<Actions job={job} stop={() => (stopping.value = job)} />} />}
        />
      )}
      {stopping.value && <Stopping job={stopping.value} onClose={() => (stopping.value = null)} />}
    </div>
  );
}

function Filters({ list }: { list: ListOfJobs }) {
  const counts = list.counts.value;
  const sum = (group: Group) =>
    [...counts].reduce((sum, [status, n]) => sum + (group === "all" || GROUPS[group].statuses.includes(status) ? n : 0), 0);
  return (
    <div class="filters" role="group" aria-label="Show">
      {(Object.keys(GROUPS) as Group[]).map((group) => (
        <button key={group} type="button" aria-pressed={list.group.value === group} onClick={() => list.choose({ group })}>
          {GROUPS[group].word}
          {counts.size > 0 && <span class="filter-count">{sum(group).toLocaleString("en")}</span>}
        </button>
      ))}
    </div>
  );
}

function Search({ list, input }: { list: ListOfJobs; input: { current: HTMLInputElement | null } }) {
  const typing = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const type = (search: string) => {
    clearTimeout(typing.current);
    typing.current = setTimeout(() => list.choose({ search }), TYPING);
  };
  return (
    <label class="search">
      <Icon name="search" />
      <span class="unseen">Search in titles and tasks</span>
      <input
        ref={input}
        type="search"
        placeholder="Search  /"
        maxLength={200}
        defaultValue={list.search.peek()}
        onInput={(event) => type(event.currentTarget.value)}
        onKeyDown={(event) => event.key === "Escape" && event.currentTarget.blur()}
      />
    </label>
  );
}

function Actions({ job, stop }: { job: JobSummary; stop: () => void }) {
  const name = job.title || job.job_id;
  if (!isOver(job.status)) {
    return (
      <Button kind="bare" title="Cancel" aria-label={`Cancel ${name}`} onClick={stop}>
        <Icon name="stop" />
      </Button>
    );
  }
  return (
    <>
      <Button kind="bare" title="Run again" aria-label={`Run ${name} again`} onClick={() => go(`/new?from=${job.job_id}`)}>
        <Icon name="again" />
      </Button>
      <Button kind="bare" title="Delete" aria-label={`Delete ${name}`} onClick={() => deleteSoon(job)}>
        <Icon name="delete" />
      </Button>
    </>
  );
}

function Stopping({ job, onClose }: { job: JobSummary; onClose: () => void }) {
  const stop = () => {
    onClose();
    void cancel(job.job_id);
  };
  return (
    <Dialog title="Cancel this job?" onClose={onClose}>
      <p class="title">{job.title || job.job_id}</p>
      <p class="dim">It ends where it is. What it has made so far is packed.</p>
      <div class="dialog-buttons">
        <Button onClick={onClose}>Let it go on</Button>
        <Button kind="danger" onClick={stop}>
          Cancel the job
        </Button>
      </div>
    </Dialog>
  );
}

function Nothing({ list }: { list: ListOfJobs }) {
  if (list.search.value || list.group.value !== "all") {
    return (
      <Empty title="No job is like that">
        <Button onClick={() => list.choose({ group: "all", search: "" })}>Show all</Button>
      </Empty>
    );
  }
  return (
    <Empty title="No jobs yet">
      <p class="dim">Say what you want done; it is done in a sandbox of its own, and you watch.</p>
      <a class="button main" href="/new">
        Give the first task
      </a>
    </Empty>
  );
}
