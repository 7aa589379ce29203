/** What can be done with a job only on its page; see `api/jobs` for the rest. */

import { api, ask, told } from "../../api/client";
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
