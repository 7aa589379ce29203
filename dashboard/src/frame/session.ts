/** A key is shown once; then the browser has a cookie for it that no script can read, and we a token. */

import { signal } from "@preact/signals";

import { fetchOk, type Schemas, TOKEN } from "../api/client";

/** Whether this browser was given a key, as far as it knows. */
export const hasSession = signal(localStorage.getItem(TOKEN) !== null);

export async function begin(key: string): Promise<void> {
  const headers = { "Content-Type": "application/json" };
  const answer = await fetchOk("/v1/session", { method: "POST", headers, body: JSON.stringify({ key }) });
  const { token } = (await answer.json()) as Schemas["SessionBegun"];
  localStorage.setItem(TOKEN, token);
  hasSession.value = true;
}

/** Forgets the key; the page begins anew. */
export async function end(): Promise<void> {
  await fetchOk("/v1/session", { method: "DELETE" });
  localStorage.removeItem(TOKEN);
  location.assign("/");
}
