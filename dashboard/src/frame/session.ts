/** A key is shown once; then the browser has a cookie for it that no script can read. */

import { signal } from "@preact/signals";

import { fetchOk } from "../api/client";

const STORED = "cagent-session";

/** Whether this browser was given a key, as far as it knows. */
export const hasSession = signal(localStorage.getItem(STORED) !== null);

export async function begin(key: string): Promise<void> {
  const headers = { "Content-Type": "application/json" };
  await fetchOk("/v1/session", { method: "POST", headers, body: JSON.stringify({ key }) });
  localStorage.setItem(STORED, "1");
  hasSession.value = true;
}

/** Forgets the key; the page begins anew. */
export async function end(): Promise<void> {
  await fetchOk("/v1/session", { method: "DELETE" });
  localStorage.removeItem(STORED);
  location.assign("/");
}
