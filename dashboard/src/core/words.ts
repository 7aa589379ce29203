/** Numbers, times and reasons, as people say them. */

import type { Schemas } from "../api/client";

/** `850 ms`, `4.2 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`. */
export function duration(ms: number): string {
  if (ms < 1000) return `${Math.max(0, Math.round(ms))} ms`;
  if (ms < 9950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  if (minutes < 1) return `${seconds} s`;
  if (hours < 1) return two(minutes, "min", seconds % 60, "s");
  if (hours < 24) return two(hours, "h", minutes % 60, "min");
  return two(Math.floor(hours / 24), "d", hours % 24, "h");
}

function two(great: number, greatUnit: string, little: number, littleUnit: string): string {
  return little === 0 ? `${great} ${greatUnit}` : `${great} ${greatUnit} ${little} ${littleUnit}`;
}

/** `just now`, `5 min ago`, `3 h ago`, `2 d ago`; what lies ahead is `just now` too: clocks differ. */
export function ago(then: number, now: number): string {
  const minutes = Math.floor((now - then) / 60_000);
  if (minutes < 1) return "just now";
  if (minutes < 60) return `${minutes} min ago`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ago` : `${Math.floor(hours / 24)} d ago`;
}

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

/** `512 B`, `1.5 KiB`, `20 MiB`. */
export function bytes(n: number): string {
  let unit = 0;
  let value = n;
  while (value >= 1023.5 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? n : trim(value)} ${UNITS[unit]}`;
}

/** `$0`, `$0.0042`, `$1.25`. */
export function money(usd: number): string {
  if (usd === 0) return "$0";
  return usd < 0.095 ? `$${Number(usd.toPrecision(2))}` : `$${usd.toFixed(2)}`;
}

/** `950`, `12.3k`, `4.1M`. */
export function short(n: number): string {
  if (n < 1000) return String(n);
  if (n < 999_500) return `${trim(n / 1000)}k`;
  return `${trim(n / 1_000_000)}M`;
}

function trim(n: number): string {
  return n >= 99.95 ? n.toFixed(0) : n.toFixed(1).replace(/\.0$/, "");
}

/** `1 job`, `3 jobs`. */
export function count(n: number, one: string, many = `${one}s`): string {
  return `${n.toLocaleString("en")} ${n === 1 ? one : many}`;
}

/** What stands for a state: drawn by `StateMark`. */
export type Shape = "queued" | "starting" | "running" | "packing" | "ok" | "bad" | "stopped" | "waiting" | "unknown";

export interface State {
  shape: Shape;
  word: string;
}

const STATES: Record<Schemas["JobStatus"], State> = {
  scheduled: { shape: "queued", word: "Queued" },
  starting: { shape: "starting", word: "Starting" },
  running: { shape: "running", word: "Running" },
  packaging: { shape: "packing", word: "Packaging" },
  complete: { shape: "ok", word: "Complete" },
  error: { shape: "bad", word: "Failed" },
  cancelled: { shape: "stopped", word: "Cancelled" },
};

/** Where a job is, as it is shown. */
export function jobState(job: { status: Schemas["JobStatus"]; waiting?: Schemas["Waiting"] | null }): State {
  if (job.waiting && job.status === "running") return { shape: "waiting", word: "Needs you" };
  return STATES[job.status];
}

/** Whether nothing of the job changes any more. */
export function isOver(status: Schemas["JobStatus"]): boolean {
  return status === "complete" || status === "error" || status === "cancelled";
}

interface Why {
  /** In a few words. */
  text: string;
  /** What to do about it; empty where there is nothing. */
  cure: string;
}

const REASONS: Record<Schemas["Reason"], Why> = {
  finished: { text: "Finished", cure: "" },
  step_failed: { text: "A step failed", cure: "Look at the output of the step that failed, mend the runbook and run it again." },
  step_timeout: { text: "A step took too long", cure: "Give the step a longer timeout= in the runbook, or make it do less." },
  cancelled: { text: "Cancelled", cure: "" },
  "limit:wall": { text: "Out of time", cure: "Run it again with a higher time limit." },
  "limit:memory": { text: "Out of memory", cure: "Run it again with a higher memory limit." },
  "limit:output": { text: "Wrote too much output", cure: "Send long output to a file, or raise the output limit." },
  "limit:disk": { text: "Out of disk", cure: "Run it again with a higher disk limit." },
  "limit:steps": { text: "Used all its steps", cure: "Make the task smaller, or raise the limit of steps." },
  "limit:model_calls": { text: "Used all its model calls", cure: "Make the task smaller, or raise the limit of model calls." },
  "limit:model_tokens": { text: "Used all its tokens", cure: "Make the task smaller, or raise the limit of tokens." },
  "limit:cost": { text: "Used all its money", cure: "Make the task smaller, or raise the limit of cost." },
  checks_failed: { text: "Checks failed", cure: "The result is there, but did not pass the agent's own checks: look at them." },
  stuck: { text: "Got stuck", cure: "Say more precisely what you want, or try another model." },
  model_unavailable: { text: "No model answered", cure: "Look at the models on the System page, then run it again." },
  model_refused: { text: "The model refused", cure: "Say it differently, or try another model." },
  model_confused: { text: "The model made no sense", cure: "Try another model." },
  rejected: { text: "Rejected by a person", cure: "" },
  sandbox_failed: { text: "No sandbox", cure: "Look at the checks on the System page." },
  sandbox_lost: { text: "Sandbox lost", cure: "Its sandbox vanished: run it again, or resume it where that is offered." },
  agent_failed: { text: "Agent failed", cure: "Run it again; if it stays so, this is a defect worth reporting." },
  packaging_failed: { text: "Result could not be packed", cure: "Look whether the server's disk has room." },
  interrupted: { text: "Interrupted", cure: "The server ended while it ran: resume it or run it again." },
};

/** Why a job ended, and what to do about it. */
export function why(reason: Schemas["Reason"]): Why {
  // A newer server may know more reasons than this page.
  return REASONS[reason] ?? { text: reason, cure: "" };
}

/** What stands between a job and the machine. */
export const ISOLATION: Record<Schemas["Isolation"], string> = {
  none: "Nothing stands between jobs and this machine",
  namespace: "Namespaces, seccomp and limits; the kernel is shared",
  container: "A container; the kernel is shared",
  gvisor: "gVisor: a kernel of its own in user space",
  microvm: "A virtual machine with a kernel of its own",
};
