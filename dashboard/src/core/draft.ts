/** What somebody is about to give as a job, and the request it becomes. */

import type { Job, Schemas } from "../api/client";

type Limit = keyof Schemas["PartialLimits"];
type Body = Omit<Schemas["ScheduleBody"], "limits"> & { limits?: Partial<Record<Limit, number>> };

export interface Draft {
  prompt: string;
  mode: Schemas["Mode"];
  /** Empty where the server decides; so are the other words. */
  engine: string;
  image: string;
  model: string;
  network: "" | "none" | "open" | "domains";
  /** For `domains`: apart by spaces, commas or lines. */
  domains: string;
  /** As typed, in the unit of {@link LIMITS}. */
  limits: Partial<Record<Limit, string>>;
  /** Lines of `NAME=value`. */
  environment: string;
  approve: boolean;
  desktop: boolean;
  caches: boolean;
}

export const EMPTY: Draft = {
  prompt: "",
  mode: "auto",
  engine: "",
  image: "",
  model: "",
  network: "",
  domains: "",
  limits: {},
  environment: "",
  approve: false,
  desktop: false,
  caches: false,
};

export interface LimitField {
  name: Limit;
  word: string;
  unit: string;
  /** What one of the unit is in the API's. */
  scale: number;
  /** Whether an agent uses it, not a runbook. */
  agent?: true;
}

const GIB = 1024 ** 3;

/** The limits people set, in their units; the others are left to the server. */
export const LIMITS: readonly LimitField[] = [
  { name: "wall_seconds", word: "Time", unit: "min", scale: 60 },
  { name: "memory_bytes", word: "Memory", unit: "GiB", scale: GIB },
  { name: "cpus", word: "Processors", unit: "cores", scale: 1 },
  { name: "disk_bytes", word: "Disk", unit: "GiB", scale: GIB },
  { name: "output_bytes", word: "Output", unit: "MiB", scale: 1024 ** 2 },
  { name: "processes", word: "Processes", unit: "", scale: 1 },
  { name: "cost_usd", word: "Cost", unit: "$", scale: 1, agent: true },
  { name: "model_tokens", word: "Tokens", unit: "thousand", scale: 1000, agent: true },
  { name: "model_calls", word: "Model calls", unit: "", scale: 1, agent: true },
  { name: "steps", word: "Steps", unit: "", scale: 1, agent: true },
];

/** A limit of the API as it is typed: whole as it is, else without more digits than say something. */
export function inUnit(value: number, { scale }: LimitField): string {
  const exact = value / scale;
  return String(Number.isInteger(exact) ? exact : Number(exact.toPrecision(4)));
}

/** Whether a text says itself that it is a runbook. */
export function isRunbook(text: string): boolean {
  const head = /^\uFEFF?---[ \t]*\r?\n([\s\S]*?)\r?\n---[ \t]*(\r?\n|$)/.exec(text);
  return head !== null && /^runbook:[ \t]*1[ \t]*$/m.test(head[1]!.replaceAll("\r", ""));
}

/** What is wrong before anybody is asked, by the API's name of the field. */
export function mistakes(draft: Draft): Map<string, string> {
  const found = new Map<string, string>();
  if (!draft.prompt.trim()) found.set("prompt", "Say what is to be done.");
  for (const { name, word } of LIMITS) {
    const typed = draft.limits[name]?.trim();
    if (typed && !(Number(typed.replace(",", ".")) > 0)) found.set(`limits.${name}`, `${word} must be a number above 0.`);
  }
  for (const line of lines(draft.environment)) {
    if (!/^[A-Za-z_][A-Za-z0-9_]*=/.test(line)) {
      found.set("environment", `“${line}” is no NAME=value.`);
      break;
    }
  }
  if (draft.network === "domains" && domains(draft).length === 0) found.set("network", "Name at least one domain.");
  return found;
}

/** The request's JSON: only what was said, so that the operator's defaults count for the rest. */
export function body(draft: Draft): Body {
  const said: Body = { prompt: draft.prompt };
  if (draft.mode !== "auto") said.mode = draft.mode;
  for (const field of ["engine", "image", "model"] as const) {
    if (draft[field].trim()) said[field] = draft[field].trim();
  }
  if (draft.network) said.network = draft.network === "domains" ? domains(draft) : draft.network;
  const limits = limitsOf(draft);
  if (Object.keys(limits).length > 0) said.limits = limits;
  const environment = Object.fromEntries(lines(draft.environment).map(variable));
  if (Object.keys(environment).length > 0) said.environment = environment;
  if (draft.approve) said.approve = true;
  if (draft.desktop) said.desktop = true;
  if (draft.caches) said.include_caches = true;
  return said;
}

/** A draft of the same as an earlier job; `defaults` are limits that need not be said. */
export function again(job: Job, defaults: Schemas["Limits"] | undefined): Draft {
  const limits: Draft["limits"] = {};
  for (const field of LIMITS) {
    const value = job.limits[field.name];
    if (value !== undefined && value !== defaults?.[field.name]) limits[field.name] = inUnit(value, field);
  }
  const { network } = job;
  return {
    ...EMPTY,
    prompt: job.prompt,
    mode: job.mode,
    engine: job.engine,
    image: job.image ?? "",
    model: job.model ?? "",
    network: Array.isArray(network) ? "domains" : network,
    domains: Array.isArray(network) ? network.join("\n") : "",
    limits,
    environment: job.environment.map((name) => `${name}=`).join("\n"),
    approve: job.approve,
    caches: job.include_caches,
  };
}

function limitsOf(draft: Draft): Partial<Record<Limit, number>> {
  const limits: Partial<Record<Limit, number>> = {};
  for (const { name, scale } of LIMITS) {
    const typed = draft.limits[name]?.trim().replace(",", ".");
    if (!typed) continue;
    const value = Number(typed) * scale;
    limits[name] = name === "cpus" || name === "cost_usd" ? value : Math.round(value);
  }
  return limits;
}

function domains({ domains }: Draft): string[] {
  return domains.split(/[\s,]+/).filter(Boolean);
}

function lines(text: string): string[] {
  return text.split(/\r?\n/).filter((line) => line.trim() !== "");
}

function variable(line: string): [string, string] {
  const at = line.indexOf("=");
  return [line.slice(0, at), line.slice(at + 1)];
}
