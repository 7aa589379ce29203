/** A job's page: what is known of it, kept up to date while the page is shown. */

import { computed, signal } from "@preact/signals";

import { api, ask, type Event, type Job, Refusal } from "../../api/client";
import { follow, watchJobs } from "../../api/live";
import { add, begin, current } from "../../core/timeline";
import { isOver } from "../../core/words";
import { LogBytes } from "../../parts/LogBytes";

/** After these the job itself has more to say than its events. */
const TELLING = new Set(["running", "waiting", "decided", "cancel_requested", "result", "packaging", "ended"]);

export class JobState {
  readonly job = signal<Job | null>(null);
  readonly timeline = signal(begin());
  /** Why there is nothing to show. */
  readonly failure = signal<Refusal | null>(null);
  /** Whether it was deleted while the page was shown. */
  readonly gone = signal(false);
  /** Whether what is usually folded is shown too. */
  readonly everything = signal(false);
  readonly bytes: LogBytes;

  /** What is newer: the job as it was asked for, or its events. */
  private readonly newest = computed(() => {
    const [job, timeline] = [this.job.value, this.timeline.value];
    return job && (isOver(job.status) || timeline.seq < job.last_seq) ? job : timeline;
  });
  readonly status = computed(() => this.newest.value.status);
  readonly over = computed(() => isOver(this.status.value));
  readonly waiting = computed(() => (this.over.value ? null : this.newest.value.waiting));
  /** The number of the last step. */
  readonly last = computed(() => current(this.timeline.value)?.number ?? 0);

  constructor(readonly id: string) {
    this.bytes = new LogBytes(id);
  }

  /** Follows the job until the returned function is called. */
  open(): () => void {
    void this.load();
    const ends = [
      follow(this.id, 0, (events) => this.take(events)),
      watchJobs({
        onJob: () => {},
        onGone: (id) => id === this.id && (this.gone.value = true),
        onReload: () => void this.load(),
      }),
    ];
    return () => ends.forEach((end) => end());
  }

  /** Asks for the job anew. */
  async load(): Promise<void> {
    try {
      this.job.value = await ask(api.GET("/job/{id}", { params: { path: { id: this.id } } }));
      this.failure.value = null;
    } catch (error) {
      if (error instanceof Refusal && this.job.peek() === null) this.failure.value = error;
      if (error instanceof Refusal && error.code === "unknown_job") this.gone.value = true;
    }
  }

  private take(events: Event[]): void {
    this.timeline.value = add(this.timeline.peek(), events);
    if (events.some(({ event }) => TELLING.has(event.type))) void this.load();
  }
}
