/** The list of jobs as the page has it: pages of the server, kept true by the stream. */

import { computed, signal } from "@preact/signals";

import { api, ask, type JobStatus, type JobSummary, type Schemas, told } from "../../api/client";
import { doomed } from "../../api/jobs";
import { watchJobs } from "../../api/live";
import { changed, extended, type Filter, type List } from "../../core/list";

export type Group = "all" | "active" | "complete" | "error" | "cancelled";

export const GROUPS: Record<Group, { word: string; statuses: readonly JobStatus[] }> = {
  all: { word: "All", statuses: [] },
  active: { word: "Active", statuses: ["scheduled", "starting", "running", "packaging"] },
  complete: { word: "Complete", statuses: ["complete"] },
  error: { word: "Failed", statuses: ["error"] },
  cancelled: { word: "Cancelled", statuses: ["cancelled"] },
};

const PAGE = 200;
/** The most of one call. */
const MOST = 1000;

/** Changes within so many ms are shown together. */
const TOGETHER = 60;

/** Counts are asked for so soon after a change, and no more often, in ms. */
const SOON = 300;
const SELDOM = 10_000;

export function listOfJobs() {
  const group = signal<Group>(chosen());
  const search = signal(new URLSearchParams(location.search).get("search") ?? "");
  const list = signal<List | null>(null);
  const error = signal("");
  const counts = signal<ReadonlyMap<JobStatus, number>>(new Map());
  const jobs = computed(() => list.value?.jobs.filter((job) => !doomed.value.has(job.job_id)) ?? null);

  /** Answers to questions of an earlier turn are not taken. */
  let turn = 0;
  /** What changes while something is loaded is put on top of it: the answer may be older. */
  let loading = false;
  const changes = new Map<string, JobSummary | null>();
  let showing: ReturnType<typeof setTimeout> | undefined;
  let counting: ReturnType<typeof setTimeout> | undefined;
  let counted = 0;

  const filter = (): Filter => ({ statuses: GROUPS[group.peek()].statuses, search: search.peek() });

  async function page(after: string | undefined, limit: number): Promise<Schemas["JobList"]> {
    const { statuses, search } = filter();
    const query = {
      limit,
      ...(after && { after }),
      ...(statuses.length > 0 && { status: [...statuses] }),
      ...(search.trim() && { search: search.trim() }),
    };
    // Commas between statuses, as the server wants them.
    const querySerializer = (all: object) => new URLSearchParams(Object.entries(all).map(([k, v]) => [k, String(v)])).toString();
    return ask(api.GET("/jobs", { params: { query }, querySerializer }));
  }

  /** Loads the list again, at least as many of it. */
  async function reload(wanted = list.peek()?.jobs.length ?? 0): Promise<void> {
    const mine = (turn += 1);
    loading = true;
    changes.clear();
    try {
      let fresh: List = { jobs: [], more: true };
      do {
        const left = Math.min(MOST, Math.max(PAGE, wanted - fresh.jobs.length));
        const { jobs, next } = await page(fresh.jobs.at(-1)?.job_id, left);
        if (mine !== turn) return;
        fresh = extended(fresh, jobs, Boolean(next));
      } while (fresh.more && fresh.jobs.length < wanted);
      list.value = fresh;
      error.value = "";
    } catch (why) {
      if (mine === turn) error.value = told(why);
    } finally {
      if (mine === turn) loaded();
    }
  }

  async function loadMore(): Promise<void> {
    const before = list.peek();
    if (loading || !before?.more) return;
    loading = true;
    const mine = turn;
    try {
      const { jobs, next } = await page(before.jobs.at(-1)?.job_id, MOST);
      if (mine === turn) list.value = extended(before, jobs, Boolean(next));
    } catch (why) {
      if (mine === turn) error.value = told(why);
    } finally {
      if (mine === turn) loaded();
    }
  }

  function loaded(): void {
    loading = false;
    show();
  }

  function note(id: string, job: JobSummary | null): void {
    changes.set(id, job);
    showing ??= setTimeout(show, TOGETHER);
    counting ??= setTimeout(() => void count(), Math.max(SOON, counted + SELDOM - Date.now()));
  }

  function show(): void {
    clearTimeout(showing);
    showing = undefined;
    const before = list.peek();
    if (loading || !before) return;
    list.value = changed(before, changes, filter());
    changes.clear();
  }

  async function count(): Promise<void> {
    clearTimeout(counting);
    counting = undefined;
    counted = Date.now();
    try {
      const { jobs } = await ask(api.GET("/v1/system"));
      counts.value = new Map(jobs.map(({ status, count }) => [status, count]));
    } catch {
      // The list says what is wrong.
    }
  }

  /** Shows something else from its beginning on. */
  function choose(next: { group?: Group; search?: string }): void {
    group.value = next.group ?? group.peek();
    search.value = next.search ?? search.peek();
    const query = new URLSearchParams();
    if (group.peek() !== "all") query.set("show", group.peek());
    if (search.peek()) query.set("search", search.peek());
    history.replaceState(null, "", query.size > 0 ? `/?${query}` : "/");
    void reload(0);
  }

  function watch(): () => void {
    void reload();
    void count();
    const stop = watchJobs({
      onJob: (job) => note(job.job_id, job),
      onGone: (id) => note(id, null),
      onReload: () => {
        void reload();
        void count();
      },
    });
    return () => {
      stop();
      turn += 1;
      clearTimeout(showing);
      clearTimeout(counting);
    };
  }

  return { group, search, jobs, error, counts, choose, loadMore, reload: () => void reload(), watch };
}

export type ListOfJobs = ReturnType<typeof listOfJobs>;

function chosen(): Group {
  const wanted = new URLSearchParams(location.search).get("show");
  return wanted !== null && wanted in GROUPS ? (wanted as Group) : "all";
}
