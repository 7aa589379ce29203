/** The loaded part of the list of jobs, newest first, kept true by what the stream tells. */

import type { JobStatus, JobSummary } from "../api/client";

/** What is shown of all jobs. */
export interface Filter {
  /** None: all of them. */
  statuses: readonly JobStatus[];
  search: string;
}

export interface List {
  readonly jobs: readonly JobSummary[];
  /** Whether older ones are not loaded. */
  readonly more: boolean;
}

/** What changed, the last word on each job: null if it was deleted. */
export type Changes = ReadonlyMap<string, JobSummary | null>;

/** The list after these changes. Ids are in the order in which jobs were made. */
export function changed(list: List, changes: Changes, filter: Filter): List {
  if (changes.size === 0) return list;
  const had = new Set<string>();
  const kept: JobSummary[] = [];
  for (const job of list.jobs) {
    const now = changes.get(job.job_id);
    if (now === undefined) kept.push(job);
    else {
      had.add(job.job_id);
      if (now && hasStatus(now, filter)) kept.push(now);
    }
  }
  const oldest = list.jobs.at(-1)?.job_id ?? "";
  const fresh = [...changes.values()].filter(
    (job): job is JobSummary =>
      job !== null &&
      !had.has(job.job_id) &&
      hasStatus(job, filter) &&
      isFound(job, filter) &&
      // An older one comes when its page is loaded.
      !(list.more && job.job_id < oldest),
  );
  if (fresh.length === 0) return { ...list, jobs: kept };
  return { ...list, jobs: [...kept, ...fresh].sort(byId) };
}

/** The list with the page that follows. */
export function extended(list: List, page: readonly JobSummary[], more: boolean): List {
  const oldest = list.jobs.at(-1)?.job_id;
  const older = oldest === undefined ? page : page.filter((job) => job.job_id < oldest);
  return { jobs: [...list.jobs, ...older], more };
}

function byId(a: JobSummary, b: JobSummary): number {
  return a.job_id < b.job_id ? 1 : -1;
}

function hasStatus(job: JobSummary, { statuses }: Filter): boolean {
  return statuses.length === 0 || statuses.includes(job.status);
}

/** As far as a line tells: the server also looks into prompts. */
function isFound(job: JobSummary, { search }: Filter): boolean {
  const word = search.trim().toLowerCase();
  return job.title.toLowerCase().includes(word) || job.job_id.startsWith(word);
}

/** Which rows of the same height are to be drawn, when so much of the list lies above what is seen. */
export function visible(above: number, height: number, row: number, rows: number): { first: number; last: number } {
  const spare = Math.ceil(height / row / 2);
  const first = Math.floor(above / row) - spare;
  const last = Math.ceil((above + height) / row) + spare;
  return { first: Math.max(0, Math.min(first, rows)), last: Math.max(0, Math.min(last, rows)) };
}
