import "./SystemPage.css";

import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useId } from "preact/hooks";

import { type Schemas, told } from "../../api/client";
import { loadSystem, system } from "../../api/system";
import { ago, bytes, count, ISOLATION, money, short } from "../../core/words";
import { now } from "../../now";
import { Failed } from "../../parts/Empty";
import { StateMark } from "../../parts/StateMark";
import { Doctor } from "./Doctor";
import { Keys } from "./Keys";

/** How often it is looked at again, in ms. */
const EVERY = 5000;

/** As many bytes as no disk has: nobody set a bound. */
const UNBOUNDED = 2 ** 60;

type System = Schemas["System"];

/** How the server stands. */
export default function SystemPage() {
  const error = useSignal("");
  const load = () =>
    loadSystem().then(
      () => (error.value = ""),
      (why: unknown) => (error.value = told(why)),
    );
  useEffect(() => {
    void load();
    const timer = setInterval(() => !document.hidden && void load(), EVERY);
    return () => clearInterval(timer);
  }, []);
  const has = system.value;
  return (
    <div class="system">
      <h1>System</h1>
      {error.value && !has && <Failed what="The system cannot be read" why={error.value} again={() => void load()} />}
      {has && (
        <>
          <Overview has={has} />
          <Engines has={has} />
          <Doctor />
          <Models has={has} />
          <Images has={has} />
        </>
      )}
      <Keys />
    </div>
  );
}

/** A part of the page with its heading. */
export function Part({ title, beside, children }: { title: string; beside?: ComponentChildren; children: ComponentChildren }) {
  const id = useId();
  return (
    <section class="part" aria-labelledby={id}>
      <header>
        <h2 id={id}>{title}</h2>
        {beside}
      </header>
      {children}
    </section>
  );
}

function Overview({ has }: { has: System }) {
  const { disk, queue, jobs, spend, links, version, accepting } = has;
  const of = (status: Schemas["JobStatus"]) => jobs.find((line) => line.status === status)?.count ?? 0;
  const busy = of("starting") + of("running") + of("packaging");
  const oldest = queue.oldest_waiting && ` The next one waits since ${ago(Date.parse(queue.oldest_waiting), now.value)}.`;
  return (
    <div class="tiles">
      <Tile title="Server" value={accepting ? "Takes jobs" : "Takes no jobs"} bad={!accepting}>
        Version {version}. <a href={links.desktop}>Desktops</a> · <a href={links.jupyter}>Jupyter</a> · <a href="/docs">API</a>
      </Tile>
      <Tile title="Jobs" value={`${busy} of ${queue.concurrency} running`} share={busy / queue.concurrency}>
        {count(of("scheduled"), "job waits", "jobs wait")}.{oldest}
      </Tile>
      {disk.results_most_bytes < UNBOUNDED ? (
        <Tile title="Results" value={bytes(disk.results_bytes)} share={disk.results_bytes / disk.results_most_bytes}>
          Beyond {bytes(disk.results_most_bytes)} the oldest go.
        </Tile>
      ) : (
        <Tile title="Results" value={bytes(disk.results_bytes)}>
          They go when their retention is over.
        </Tile>
      )}
      <Tile title="Free disk" value={bytes(disk.free_bytes)} bad={disk.free_bytes < disk.reserve_bytes}>
        Below {bytes(disk.reserve_bytes)} no job is accepted.
      </Tile>
      <Tile title="Spent today" value={spend.today.cost_usd === null ? count(spend.today.calls, "call") : money(spend.today.cost_usd)}>
        {spent(spend.kept)} for all jobs that are kept.
      </Tile>
    </div>
  );
}

function spent({ calls, input_tokens, output_tokens, cost_usd }: Schemas["SpendSum"]): string {
  const cost = cost_usd === null ? "" : `${money(cost_usd)}, `;
  return `${cost}${count(calls, "call")}, ${short(input_tokens)} tokens read, ${short(output_tokens)} written`;
}

function Tile({ title, value, share, bad = false, children }: { title: string; value: string; share?: number; bad?: boolean; children: ComponentChildren }) {
  return (
    <section class={bad ? "tile bad" : "tile"}>
      <h2 class="dim small">{title}</h2>
      <p class="tile-value">{value}</p>
      {share !== undefined && <meter class="meter" min={0} max={1} high={0.9} value={Math.min(share, 1)} aria-label={title} />}
      <p class="dim small">{children}</p>
    </section>
  );
}

function Engines({ has }: { has: System }) {
  return (
    <Part title="Engines">
      <ul class="lines">
        {has.engines.map(({ name, available, problem, sandbox }, n) => (
          <li key={name}>
            <StateMark shape={available ? "ok" : "bad"} word={available ? "Available" : "Not available"} />
            <div>
              <p>
                <strong>{name}</strong>
                {n === 0 && <span class="dim"> · the default</span>}
              </p>
              <p class="dim">{problem ?? (sandbox && ISOLATION[sandbox.isolation])}</p>
              {sandbox?.shortfalls.map(({ what, why, cure }) => (
                <p key={what} class="shortfall">
                  <strong>Not enforced: {what}.</strong> {why} <span class="dim">{cure}</span>
                </p>
              ))}
            </div>
          </li>
        ))}
      </ul>
    </Part>
  );
}

function Models({ has }: { has: System }) {
  const dollars = (usd: number | undefined) => (usd === undefined ? "—" : money(usd));
  return (
    <Part title="Models">
      {has.models.length === 0 ? (
        <p class="dim">None is configured: only runbooks run. Set a provider’s key, such as ANTHROPIC_API_KEY or OPENAI_API_KEY, or OLLAMA_HOST for the server and start it again.</p>
      ) : (
        <div class="wide">
          <table>
            <thead>
              <tr>
                <th scope="col">Model, in the order they are asked</th>
                <th scope="col">State</th>
                <th scope="col" class="number">Window</th>
                <th scope="col">Pictures</th>
                <th scope="col" class="number">$ per million tokens: read</th>
                <th scope="col" class="number">cached</th>
                <th scope="col" class="number">written</th>
              </tr>
            </thead>
            <tbody>
              {has.models.map(({ name, window_tokens, images, price, rests_seconds }) => (
                <tr key={name}>
                  <th scope="row" class="mono">{name}</th>
                  <td>
                    {rests_seconds === null ? <StateMark shape="ok" word="Well" /> : <StateMark shape="waiting" word={`Failed, rests ${rests_seconds} s`} />}
                  </td>
                  <td class="number">{short(window_tokens)}</td>
                  <td>{images ? "yes" : "no"}</td>
                  <td class="number">{dollars(price?.input)}</td>
                  <td class="number">{dollars(price?.cached)}</td>
                  <td class="number">{dollars(price?.output)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Part>
  );
}

function Images({ has }: { has: System }) {
  return (
    <Part title="Images">
      {has.images.length === 0 ? (
        <p class="dim">None; sandboxes of the embedded engine see the programs of this machine.</p>
      ) : (
        <div class="wide">
          <table>
            <thead>
              <tr>
                <th scope="col">Image</th>
                <th scope="col">Engine</th>
                <th scope="col" class="number">Size</th>
              </tr>
            </thead>
            <tbody>
              {has.images.map(({ name, engine, bytes: size }) => (
                <tr key={engine + name}>
                  <th scope="row" class="mono">{name}</th>
                  <td>{engine}</td>
                  <td class="number">{bytes(size)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Part>
  );
}
