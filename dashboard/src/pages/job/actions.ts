/** What can be done with a job only on its page; see `api/jobs` for the rest. */

import { api, ask, fetchOk, type Job, told } from "../../api/client";
import { entry } from "../../core/zip";
import { go } from "../../navigate";
import { say } from "../../parts/say";

/** Does it, and says why if that fails; whether it was done. */
export async function attempt(doing: () => Promise<unknown>): Promise<boolean> {
  try {
    await doing();
    return true;
  } catch (error) {
    say(told(error), { bad: true });
    return false;
  }
}

/** Goes on in the workspace that it left. */
export async function resume(id: string): Promise<void> {
  const { job_id } = await ask(api.POST("/v1/jobs/{id}/resume", { params: { path: { id } } }));
  go(`/jobs/${job_id}`);
}

/** Gives it again, as it was; or what its agent did, without a model. */
export async function runAgain(job: Job, runbook?: string): Promise<void> {
  const { approve, engine, image, include_caches, limits, network } = job;
  const same = { approve, engine, image, include_caches, limits, network };
  const what = runbook === undefined
    ? { prompt: job.prompt, mode: job.mode, model: job.model }
    : { prompt: runbook, mode: "runbook" as const };
  const { job_id } = await ask(api.POST("/schedule", { body: { ...same, ...what } }));
  if (job.environment.length > 0) say(`Without its variables ${job.environment.join(", ")}: nobody knows their values.`);
  go(`/jobs/${job_id}`);
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

export async function tell(id: string, text: string): Promise<void> {
  await ask(api.POST("/v1/jobs/{id}/messages", { params: { path: { id } }, body: { text } }));
}

export async function decide(id: string, step: number, approve: boolean, reason: string): Promise<void> {
  const body = { step, approve, ...(reason ? { reason } : {}) };
  await ask(api.POST("/v1/jobs/{id}/approval", { params: { path: { id } }, body }));
}

type View = { view: "control" | "watch" | "jupyter" } | { view: "preview"; port: number };

/** Opens a way into the job in a tab of its own. */
export async function enter(id: string, view: View): Promise<void> {
  // A browser lets a page open a tab only at once.
  const tab = open("about:blank", "_blank");
  try {
    const { url } = await ask(api.POST("/v1/jobs/{id}/tickets", { params: { path: { id } }, body: view }));
    if (!tab) throw new Error("The browser did not allow a new tab.");
    tab.opener = null;
    tab.location.replace(url);
  } catch (error) {
    tab?.close();
    throw error;
  }
}
