/** How the server stands, for pages that offer what it has. */

import { signal } from "@preact/signals";

import { api, ask, type Schemas } from "./client";

/** What was heard last; null until something was. */
export const system = signal<Schemas["System"] | null>(null);

/** Asks again. */
export async function loadSystem(): Promise<void> {
  system.value = await ask(api.GET("/v1/system"));
}
