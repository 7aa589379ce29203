/** What can be done to a job from any page. */

import { signal } from "@preact/signals";

import { entry } from "../core/zip";
import { say, TIME } from "../parts/say";
import { api, ask, fetchOk, type Job, send, told } from "./client";

interface Named {
  job_id: string;
  title: string;
}

/** Jobs that are deleted soon, unless somebody takes it back: pages show them no more. */
export const doomed = signal<ReadonlySet<string>>(new Set());

/** Deletes a job that is over, after the time to take that back. */
export function deleteSoon({ job_id, title }: Named): void {
  doomed.value = new Set(doomed.peek()).add(job_id);
  const timer = setTimeout(() => void deleteNow(job_id), TIME);
  const undo = () => {
    clearTimeout(timer);
    spare(job_id);
  };
  say(`Deleted “${title || job_id}”`, { undo });
}

/** Asks a job to stop; it then ends as cancelled, and what it made is packed. */
export async function cancel(job_id: string): Promise<void> {
  try {
    await ask(api.POST("/cancel/{id}", { params: { path: { id: job_id } } }));
  } catch (error) {
    say(`Not cancelled: ${told(error)}`, { bad: true });
  }
}

/** The runbook of what was done: the prompt was one, or it is in the ZIP. */
export async function runbookOf(job: Job): Promise<string> {
  if (job.mode === "runbook" || !job.links.download || !job.zip_bytes) return job.prompt;
  const path = job.links.download;
  const read = async (from: number, to: number) => {
    const answer = await fetchOk(path, { headers: { Range: `bytes=${from}-${to - 1}` } });
    return new Uint8Array(await answer.arrayBuffer());
  };
  const bytes = await entry(read, job.zip_bytes, ".cagent/runbook.md");
  if (!bytes) throw new Error("Its ZIP has no runbook.");
  return new TextDecoder().decode(bytes);
}

async function deleteNow(job_id: string): Promise<void> {
  try {
    await fetchOk(path(job_id), { method: "DELETE" });
  } catch (error) {
    say(`Not deleted: ${told(error)}`, { bad: true });
  }
  spare(job_id);
}

function spare(job_id: string): void {
  const left = new Set(doomed.peek());
  left.delete(job_id);
  doomed.value = left;
}

function path(job_id: string): string {
  return `/v1/jobs/${encodeURIComponent(job_id)}`;
}

// Who leaves the page does not take it back.
addEventListener("pagehide", () => {
  for (const job_id of doomed.peek()) void send(path(job_id), { method: "DELETE", keepalive: true });
});
