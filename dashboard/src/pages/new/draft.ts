/** The draft as the page has it: it stays while somebody looks at other pages. */

import { signal } from "@preact/signals";

import { api, ask, fetchOk, type Job, Refusal, type Schemas, told } from "../../api/client";
import { carried } from "../../api/files";
import { runbookOf } from "../../api/jobs";
import { loadSystem, system } from "../../api/system";
import { again, body, type Draft, EMPTY, isRunbook, LIMITS, mistakes } from "../../core/draft";
import { count, isOver } from "../../core/words";
import { go } from "../../navigate";

export const draft = signal<Draft>(EMPTY);

/** Files for the workspace, by their path there. */
export const files = signal<ReadonlyMap<string, File>>(new Map());

/** What is wrong, by the API's name of the field; of nothing particular by the empty name. */
export const problems = signal<ReadonlyMap<string, string>>(new Map());

export const sending = signal(false);

const FIELDS = new Set([
  ...["prompt", "mode", "engine", "image", "model", "network", "environment", "file"],
  ...LIMITS.map(({ name }) => `limits.${name}`),
]);

/** Something to know about the draft. */
export const hint = signal("");

/** An earlier job that it repeats, whose files can be added. */
export const earlier = signal<string | null>(null);

/** The last try of which nobody knows whether it arrived: sent again, it is the same job. */
let unanswered: { sent: string; key: string } | null = null;

export function edit(some: Partial<Draft>): void {
  draft.value = { ...draft.peek(), ...some };
  const left = new Map(problems.peek());
  left.delete("");
  for (const field of Object.keys(some)) {
    for (const name of left.keys()) if (name === field || name.startsWith(`${field}.`)) left.delete(name);
  }
  problems.value = left;
}

/** Takes a runbook as the prompt, and everything else into the workspace. */
export async function take(chosen: Iterable<File>): Promise<void> {
  const taken = new Map(files.peek());
  for (const file of chosen) {
    const text = /\.(md|markdown)$/i.test(file.name) && file.size <= 1 << 20 ? await file.text() : "";
    if (isRunbook(text)) {
      edit({ prompt: text });
      hint.value = `${file.name} is a runbook: it is the task now.`;
    } else taken.set(file.webkitRelativePath || file.name, file);
  }
  files.value = taken;
}

export function leaveOut(path: string): void {
  const left = new Map(files.peek());
  left.delete(path);
  files.value = left;
}

/** Gives the job, and shows it. */
export async function send(): Promise<void> {
  if (sending.peek()) return;
  problems.value = mistakes(draft.peek());
  if (problems.peek().size > 0) return;
  sending.value = true;
  const job = JSON.stringify(body(draft.peek()));
  const sent = [job, ...[...files.peek()].map(([path, { size, lastModified }]) => `${path} ${size} ${lastModified}`)].join("\n");
  if (unanswered?.sent !== sent) unanswered = { sent, key: newKey() };
  try {
    const answer = await fetchOk("/schedule", {
      method: "POST",
      headers: { "Idempotency-Key": unanswered.key, ...(files.peek().size === 0 && { "Content-Type": "application/json" }) },
      body: files.peek().size === 0 ? job : form(job),
    });
    const { job_id } = (await answer.json()) as Schemas["Scheduled"];
    clear();
    go(`/jobs/${job_id}`);
  } catch (error) {
    problems.value = refused(error);
    if (error instanceof Refusal && error.status > 0) unanswered = null;
  } finally {
    sending.value = false;
  }
}

/** Fills the draft with what an earlier job was; or with what its agent did, as a runbook. */
export async function takeFrom(id: string, asRunbook: boolean): Promise<void> {
  clear();
  try {
    if (!system.peek()) await loadSystem().catch(() => {});
    const job = await ask(api.GET("/job/{id}", { params: { path: { id } } }));
    const same = again(job, system.peek()?.limits.default);
    draft.value = asRunbook ? { ...same, prompt: await runbookOf(job), mode: "runbook", model: "" } : same;
    hint.value = hintOf(job, asRunbook);
    earlier.value = isOver(job.status) ? id : null;
  } catch (error) {
    hint.value = `The earlier job cannot be read: ${told(error)}`;
  }
}

function hintOf({ title, environment }: Job, asRunbook: boolean): string {
  const what = asRunbook ? `What the agent did for “${title}”, as a runbook` : `The same as “${title}”`;
  const asks = environment.length > 0 ? " The values of its variables are kept nowhere: give them again." : "";
  return `${what}, without files that were given with it.${asks}`;
}

/** Adds the files that the earlier job left. */
export async function takeFiles(id: string): Promise<void> {
  try {
    const { files: found, whole } = await carried(id);
    files.value = new Map([...found, ...files.peek()]);
    earlier.value = null;
    hint.value = `Added ${count(found.size, "file")}, as they were at its end.${whole ? "" : " There are more: its ZIP has all."}`;
  } catch (error) {
    hint.value = `Its files cannot be read: ${told(error)}`;
  }
}

export function clear(): void {
  draft.value = EMPTY;
  files.value = new Map();
  problems.value = new Map();
  hint.value = "";
  earlier.value = null;
  unanswered = null;
}

function form(job: string): FormData {
  const form = new FormData();
  form.append("job", job);
  for (const [path, file] of files.peek()) form.append("file", file, path);
  return form;
}

/** Each at its field; what the page has no field for stands below all of them. */
function refused(error: unknown): Map<string, string> {
  const found = new Map<string, string>();
  const errors = error instanceof Refusal ? error.errors : [];
  for (const { field, message } of errors.filter(({ field }) => FIELDS.has(field))) {
    const before = found.get(field);
    found.set(field, before ? `${before}\n${message}` : message);
  }
  if (found.size === 0) found.set("", told(error));
  return found;
}

/** `crypto.randomUUID` is there only where the page came safely. */
function newKey(): string {
  const random = crypto.getRandomValues(new Uint8Array(16));
  return [...random].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
