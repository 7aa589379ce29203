/**
 * The one stream of a tab: which jobs changed, and the events of those that are followed.
 *
 * Keeps true: every followed event is handed on once, in order, whatever breaks off; after each
 * (re)opening watchers are told to load their lists.
 */

import { signal } from "@preact/signals";

import type { Event, JobSummary } from "./client";

export type Connection = "open" | "connecting" | "lost";

export interface Watcher {
  onJob: (job: JobSummary) => void;
  onGone: (job: string) => void;
  /** Changes before now may have been missed: load again. */
  onReload: () => void;
}

/** What of the browser's `EventSource` is used. */
export interface Source {
  addEventListener(type: string, listener: (message: MessageEvent<string>) => void): void;
  onerror: ((event: globalThis.Event) => void) | null;
  close(): void;
}

/** Waits before the next try to connect, in ms; the last one again and again. */
const WAITS = [500, 1000, 2000, 3000, 5000];

/** Events that come within so many ms are handed on together. */
const TOGETHER = 30;

interface Follower {
  job: string;
  /** The last `seq` received. */
  after: number;
  waiting: Event[];
  onEvents: (events: Event[]) => void;
}

export class Live {
  readonly connection = signal<Connection>("connecting");
  /** Called when a try to connect failed; the page finds out why. */
  onLost: () => void = () => {};

  private source: Source | null = null;
  private failures = 0;
  private paused = false;
  private reopening = false;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private delivery: ReturnType<typeof setTimeout> | undefined;
  private readonly followers = new Set<Follower>();
  private readonly watchers = new Set<Watcher>();

  constructor(private readonly connect: (url: string) => Source) {}

  /** Hands on the job's events with a greater `seq` than `after`, until the returned function is called. */
  follow(job: string, after: number, onEvents: (events: Event[]) => void): () => void {
    const follower = { job, after, waiting: [], onEvents };
    this.followers.add(follower);
    this.reopen();
    return () => {
      this.followers.delete(follower);
      this.reopen();
    };
  }

  /** Tells of changes of the list of jobs, until the returned function is called. */
  watchJobs(watcher: Watcher): () => void {
    this.watchers.add(watcher);
    if (this.connection.peek() === "open") watcher.onReload();
    return () => void this.watchers.delete(watcher);
  }

  /** Connects now, without waiting for its turn; also the first time. */
  reopen(): void {
    if (this.reopening) return;
    this.reopening = true;
    // Several parts of a page change what they follow at once.
    queueMicrotask(() => {
      this.reopening = false;
      this.open();
    });
  }

  /** A page that nobody sees leaves its connection to others: a browser has six for a server. */
  pause(paused: boolean): void {
    if (this.paused === paused) return;
    this.paused = paused;
    this.open();
  }

  private open(): void {
    this.close();
    if (this.paused) return;
    if (this.failures === 0) this.connection.value = "connecting";
    const source = this.connect(this.url());
    this.source = source;
    const on = <T>(type: string, take: (data: T) => void) =>
      source.addEventListener(type, ({ data }) => this.source === source && take(JSON.parse(data) as T));
    on("ready", () => this.ready());
    on<JobSummary>("job", (job) => this.watchers.forEach((watcher) => watcher.onJob(job)));
    on<{ job_id: string }>("gone", ({ job_id }) => this.watchers.forEach((watcher) => watcher.onGone(job_id)));
    on("reload", () => this.watchers.forEach((watcher) => watcher.onReload()));
    on<{ job_id: string; event: Event }>("event", ({ job_id, event }) => this.take(job_id, event));
    source.onerror = () => this.source === source && this.lost();
  }

  private close(): void {
    clearTimeout(this.retry);
    this.source?.close();
    this.source = null;
  }

  private ready(): void {
    this.failures = 0;
    this.connection.value = "open";
    this.watchers.forEach((watcher) => watcher.onReload());
  }

  private lost(): void {
    this.close();
    this.connection.value = "lost";
    this.retry = setTimeout(() => this.open(), WAITS[Math.min(this.failures, WAITS.length - 1)]);
    this.failures += 1;
    this.onLost();
  }

  private take(job: string, event: Event): void {
    for (const follower of this.followers) {
      // Followers of one job may have reached different places: each takes what is its next.
      if (follower.job !== job || event.seq !== follower.after + 1) continue;
      follower.after = event.seq;
      follower.waiting.push(event);
    }
    this.delivery ??= setTimeout(() => this.deliver(), TOGETHER);
  }

  private deliver(): void {
    this.delivery = undefined;
    for (const follower of this.followers) {
      const events = follower.waiting.splice(0);
      if (events.length > 0) follower.onEvents(events);
    }
  }

  private url(): string {
    const places = new Map<string, number>();
    for (const { job, after } of this.followers) {
      places.set(job, Math.min(after, places.get(job) ?? after));
    }
    const follows = [...places].map(([job, after]) => `&follow=${encodeURIComponent(job)}:${after}`);
    return `/v1/events?list=true${follows.join("")}`;
  }
}

/** The tab's. */
export const live = new Live((url) => new EventSource(url));

export const connection = live.connection;
export const follow = live.follow.bind(live);
export const watchJobs = live.watchJobs.bind(live);
