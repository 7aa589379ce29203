/** Real servers with real sandboxes, and the scripted models they ask. */

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

import { expect } from "@playwright/test";

const BUILT = join(import.meta.dirname, "../../target/debug");
const CAGENT = process.env.CAGENT ?? join(BUILT, "cagent");
const SCRIPTED_MODEL = process.env.SCRIPTED_MODEL ?? join(BUILT, "scripted-model");
const SCENARIO = join(import.meta.dirname, "scenario.json");

/** What of this machine's own models a server of ours must not know. */
const FOREIGN = /^(CAGENT_|ALCHEMYST_|GEMINI_|GOOGLE_|OPENAI_|ANTHROPIC_|OLLAMA_)/;

type Variables = Record<string, string>;

export class Server {
  private process: ChildProcess | null = null;

  private constructor(
    readonly dir: string,
    readonly address: string,
    private readonly variables: Variables,
  ) {}

  get url(): string {
    return `http://${this.address}`;
  }

  /** One on a new data directory, at a place of its own to which it comes back. */
  static async start(variables: Variables = {}): Promise<Server> {
    const dir = mkdtempSync(join(tmpdir(), "cagent-dashboard-"));
    const server = new Server(dir, `127.0.0.1:${await freePort()}`, variables);
    await server.begin();
    return server;
  }

  async begin(): Promise<void> {
    const own = Object.entries(process.env).filter(([name]) => name === "CAGENT_EXPOSE" || !FOREIGN.test(name));
    // Several servers at a time: nothing at ports that others have.
    const beside = { CAGENT_DESKTOP_LISTEN: "127.0.0.1:0", CAGENT_JUPYTER_LISTEN: "127.0.0.1:0" };
    const env = { RUST_LOG: "warn", ...Object.fromEntries(own), ...beside, ...this.variables };
    const args = ["serve", "--listen", this.address, "--data-dir", join(this.dir, "data")];
    this.process = spawn(CAGENT, args, { env, stdio: ["ignore", "pipe", "inherit"] });
    await says(this.process, "cagent listens on ");
  }

  /** Ends it as a crash would; its sandboxes live on. */
  async kill(): Promise<void> {
    const gone = this.process && once(this.process, "exit");
    this.process?.kill("SIGKILL");
    await gone;
  }

  /** Ends it and all that is left of it. */
  async end(): Promise<void> {
    await this.kill();
    await expect.poll(() => this.loseSandboxes()).toBe(0);
    rmSync(this.dir, { recursive: true, force: true, maxRetries: 50, retryDelay: 100 });
  }

  /** Ends its sandboxes as a crash would; how many there were. */
  loseSandboxes(): number {
    // A sandbox dies with its helper, whose program lies in the data directory.
    return helpers(this.dir).filter(killed).length;
  }

  /** Runs the program on its data directory. */
  cagent(...args: string[]): string {
    const env = { ...process.env, CAGENT_DATA_DIR: join(this.dir, "data") };
    return execFileSync(CAGENT, args, { encoding: "utf8", env });
  }

  async call(method: string, path: string, body?: BodyInit): Promise<Response> {
    const headers = typeof body === "string" ? { "Content-Type": "application/json" } : {};
    const answer = await fetch(this.url + path, { method, headers, ...(body === undefined ? {} : { body }) });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return answer;
  }

  /** Gives a job; its id. */
  async give(prompt: string, more: object = {}): Promise<string> {
    const answer = await this.call("POST", "/schedule", JSON.stringify({ prompt, ...more }));
    return ((await answer.json()) as { job_id: string }).job_id;
  }

  /** Cancels what still runs and waits until it is over: containers outlive what began them. */
  async cancelAll(): Promise<void> {
    const { jobs } = (await (await this.call("GET", "/jobs")).json()) as { jobs: { job_id: string; status: string }[] };
    for (const { job_id, status } of jobs) {
      if (/complete|error|cancelled/.test(status)) continue;
      await this.call("POST", `/cancel/${job_id}`);
      await this.over(job_id);
    }
  }

  async status(id: string): Promise<string> {
    return ((await (await this.call("GET", `/status/${id}`)).json()) as { status: string }).status;
  }

  /** Waits until the job is over; how it ended. */
  async over(id: string): Promise<string> {
    await expect.poll(() => this.status(id), { timeout: 90_000 }).toMatch(/complete|error|cancelled/);
    return this.status(id);
  }

  /** Makes the file `go` in the job's workspace, which its commands wait for. */
  async go(id: string): Promise<void> {
    await this.call("PUT", `/v1/jobs/${id}/files/go`, new Blob([""]));
  }

  async log(id: string, stream = "stdout"): Promise<string> {
    return (await this.call("GET", `/logs/${id}/${stream}`)).text();
  }
}

/** Models that say what is in `scenario.json`, to any number of servers. */
export class Models {
  private constructor(
    private readonly process: ChildProcess,
    readonly variables: Variables,
  ) {}

  static async start(): Promise<Models> {
    const models = spawn(SCRIPTED_MODEL, [SCENARIO], { stdio: ["ignore", "pipe", "inherit"] });
    const url = await says(models, "scripted-model listens on ");
    return new Models(models, {
      CAGENT_MODELS: "gemini",
      GEMINI_BASE_URL: `${url}/v1beta`,
      GEMINI_MODEL: "gemini-3-flash",
      GEMINI_API_KEY: "AIzaCanary-gemini-82f4b6310a",
    });
  }

  async end(): Promise<void> {
    const gone = once(this.process, "exit");
    this.process.kill("SIGINT");
    await gone;
  }
}

/** What a program says after these words. */
async function says(program: ChildProcess, words: string): Promise<string> {
  if (!program.stdout) throw new Error("no pipe");
  for await (const line of createInterface({ input: program.stdout })) {
    if (!line.startsWith(words)) continue;
    // A pipe that nobody reads would stop it.
    program.stdout.resume();
    return line.slice(words.length).trim();
  }
  throw new Error(`${program.spawnfile} ended before it said "${words}"`);
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const address = probe.address();
  probe.close();
  await once(probe, "close");
  return typeof address === "object" && address ? address.port : 0;
}

/** Whether it was there to be killed. */
function killed(pid: number): boolean {
  try {
    return process.kill(pid, "SIGKILL");
  } catch {
    return false;
  }
}

function helpers(dir: string): number[] {
  const command = (pid: string) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "utf8");
    } catch {
      return "";
    }
  };
  return readdirSync("/proc").filter((pid) => /^\d+$/.test(pid) && command(pid).startsWith(dir)).map(Number);
}
