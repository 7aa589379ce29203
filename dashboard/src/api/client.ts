/** Typed calls of the server. Whatever goes wrong is a {@link Refusal}, in words for people. */

import { signal } from "@preact/signals";
import createClient from "openapi-fetch";

import type { components, paths } from "./schema";

export type Schemas = components["schemas"];
export type JobSummary = Schemas["JobSummary"];
export type JobStatus = Schemas["JobStatus"];
export type Job = Schemas["Job"];
export type Event = Schemas["Event"];

/** Whether the server wants a key before it says more. */
export const locked = signal(false);

/** How often it was unlocked since: what was refused before is asked again. */
export const unlocks = signal(0);

/** Where the session's token is kept: unlike our cookie, it is shown to no server on another port. */
export const TOKEN = "cagent-session";

export const api = createClient<paths>();
api.use({ onRequest: ({ request }) => void (request.method !== "GET" && show(request.headers)) });

/** Why a call did not do what was asked. */
export class Refusal extends Error {
  constructor(
    /** Of the answer; 0 if there was none. */
    readonly status: number,
    /** For programs: see /docs/problems. */
    readonly code: string,
    message: string,
    /** What was wrong with which field. */
    readonly errors: { field: string; message: string }[] = [],
  ) {
    super(message);
  }
}

/** What a call answered: `const { jobs } = await ask(api.GET("/jobs"))`. */
export async function ask<T>(call: Promise<{ data?: T; error?: unknown; response: Response }>): Promise<T> {
  const { data, error, response } = await call.catch(unreachable);
  if (response.ok) return data as T;
  throw refusal(response, error);
}

/** The same for what the typed client cannot send or read: forms, pieces of logs. */
export async function fetchOk(path: string, init?: RequestInit): Promise<Response> {
  const response = await send(path, init).catch(unreachable);
  if (response.ok) return response;
  throw refusal(response, await response.json().catch(() => null));
}

/** As `fetch`, with the session's token if it changes something. */
export function send(path: string, init?: RequestInit): Promise<Response> {
  if (!init?.method) return fetch(path, init);
  const headers = new Headers(init.headers);
  show(headers);
  return fetch(path, { ...init, headers });
}

/** An error's text for people, whatever was thrown. */
export function told(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The session's cookie alone changes nothing. */
function show(headers: Headers): void {
  const token = localStorage.getItem(TOKEN);
  if (token !== null) headers.set("Cagent-Token", token);
}

function unreachable(error: unknown): never {
  if (error instanceof DOMException && error.name === "AbortError") throw error;
  throw new Refusal(0, "unreachable", "The server does not answer. Is it running?");
}

function refusal(response: Response, body: unknown): Refusal {
  // The list of keys asks for one even where nothing else does.
  const isAboutKeys = new URL(response.url).pathname.startsWith("/v1/keys");
  if (response.status === 401 && !isAboutKeys) locked.value = true;
  const problem = (body ?? {}) as Partial<Schemas["Problem"]>;
  const text = problem.detail ?? `The server answered ${response.status} ${response.statusText}.`;
  return new Refusal(response.status, problem.code ?? "unknown", text, problem.errors);
}
