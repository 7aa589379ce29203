import type { Schemas } from "../../api/client";
import { system } from "../../api/system";
import { inUnit, LIMITS } from "../../core/draft";
import { ISOLATION } from "../../core/words";
import { draft, edit } from "./draft";
import { Field } from "./Field";

type System = Schemas["System"];

/** How the task is done: everything may be left as it is. */
export function Settings() {
  const has = system.value;
  return (
    <aside class="settings" aria-label="Settings">
      <Mode has={has} />
      <Engine has={has} />
      <Network has={has} />
      <Model has={has} />
      <label class="tick">
        <input type="checkbox" checked={draft.value.approve} onChange={(event) => edit({ approve: event.currentTarget.checked })} />
        Ask me before each step
      </label>
      <Limits has={has} />
      <More has={has} />
    </aside>
  );
}

const MODES: Record<Schemas["Mode"], string> = {
  auto: "A runbook is run as it is; anything else is done by an agent.",
  agent: "An agent does it, step by step, asking a model.",
  runbook: "Its code blocks are run as they are.",
};

function Mode({ has }: { has: System | null }) {
  const modelless = has?.models.length === 0;
  return (
    <Field name="mode" label="Mode" hint={modelless ? "Without a model, only runbooks run." : MODES[draft.value.mode]}>
      {(input) => (
        <select {...input} value={draft.value.mode} onChange={(event) => edit({ mode: event.currentTarget.value as Schemas["Mode"] })}>
          <option value="auto">Automatic</option>
          <option value="agent" disabled={modelless}>
            Agent{modelless && " (no model)"}
          </option>
          <option value="runbook">Runbook</option>
        </select>
      )}
    </Field>
  );
}

function Engine({ has }: { has: System | null }) {
  const engines = has?.engines ?? [];
  const chosen = engines.find(({ name }) => name === (draft.value.engine || engines[0]?.name));
  const isolation = chosen?.sandbox && `${ISOLATION[chosen.sandbox.isolation]}.`;
  const away = engines.filter(({ available }) => !available).map(({ name, problem }) => `${name} is away: ${problem}`);
  return (
    <Field name="engine" label="Engine" hint={[isolation, ...away].filter(Boolean).join("\n")}>
      {(input) => (
        <select {...input} value={draft.value.engine} onChange={(event) => edit({ engine: event.currentTarget.value, image: "" })}>
          <option value="">Default{engines[0] && `: ${engines[0].name}`}</option>
          {engines.map(({ name, available, problem }) => (
            <option key={name} value={name} disabled={!available} title={problem ?? undefined}>
              {name}
              {!available && " (not available)"}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

function Network({ has }: { has: System | null }) {
  const most = has?.network.most;
  const { network, domains } = draft.value;
  const bound = Array.isArray(most) ? `This server allows ${most.join(", ")}.` : most === "none" ? "This server allows no network." : "";
  return (
    <Field name="network" label="Network" hint={bound || "Never this machine, nor private addresses."}>
      {(input) => (
        <>
          <select {...input} value={network} onChange={(event) => edit({ network: event.currentTarget.value as typeof network })}>
            <option value="">Default{has && `: ${reached(has.network.default)}`}</option>
            <option value="none">Nothing</option>
            <option value="domains" disabled={most === "none"}>
              These domains only{most === "none" && " (not allowed here)"}
            </option>
            <option value="open" disabled={most !== undefined && most !== "open"}>
              The public internet{most !== undefined && most !== "open" && " (not allowed here)"}
            </option>
          </select>
          {network === "domains" && (
            <textarea
              rows={2}
              class="mono"
              aria-label="Domains"
              placeholder={"pypi.org\n*.example.org"}
              value={domains}
              onInput={(event) => edit({ domains: event.currentTarget.value, network: "domains" })}
            />
          )}
        </>
      )}
    </Field>
  );
}

function reached(network: Schemas["Network"]): string {
  if (network === "open") return "the public internet";
  return network === "none" ? "nothing" : network.join(", ");
}

function Model({ has }: { has: System | null }) {
  const models = has?.models ?? [];
  const modelless = has?.models.length === 0;
  return (
    <Field name="model" label="Model" hint={modelless && "None is configured: docs/models.md says how to."}>
      {(input) => (
        <select {...input} disabled={modelless} value={draft.value.model} onChange={(event) => edit({ model: event.currentTarget.value })}>
          <option value="">Default{models[0] && `: ${models[0].name}`}</option>
          {models.map(({ name, rests_seconds }) => (
            <option key={name} value={name}>
              {name}
              {rests_seconds !== null && ` (failed lately, rests ${rests_seconds} s)`}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

function Limits({ has }: { has: System | null }) {
  const set = LIMITS.filter(({ name }) => draft.value.limits[name]?.trim()).length;
  return (
    <details>
      <summary>Limits{set > 0 && ` (${set} set)`}</summary>
      <div class="limits">
        {LIMITS.filter(({ agent }) => !agent || has?.models.length !== 0).map((field) => {
          const { name, word, unit } = field;
          const most = has?.limits.most[name];
          const usual = has?.limits.default[name];
          return (
            <Field key={name} name={`limits.${name}`} label={unit ? `${word} (${unit})` : word} hint={most !== undefined && `at most ${inUnit(most, field)}`}>
              {(input) => (
                <input
                  {...input}
                  inputMode="decimal"
                  autocomplete="off"
                  placeholder={usual === undefined ? "" : inUnit(usual, field)}
                  value={draft.value.limits[name] ?? ""}
                  onInput={(event) => edit({ limits: { ...draft.value.limits, [name]: event.currentTarget.value } })}
                />
              )}
            </Field>
          );
        })}
      </div>
    </details>
  );
}

function More({ has }: { has: System | null }) {
  const { engine, image, environment, desktop, caches } = draft.value;
  const where = engine || has?.engines[0]?.name;
  const images = has?.images.filter((image) => image.engine === where) ?? [];
  return (
    <details>
      <summary>More</summary>
      <div class="settings-more">
        <Field name="image" label="Image" hint="Empty: the engine’s own.">
          {(input) => (
            <>
              <input {...input} class="mono" list="images" autocomplete="off" spellcheck={false} value={image} onInput={(event) => edit({ image: event.currentTarget.value })} />
              <datalist id="images">
                {images.map(({ name }) => (
                  <option key={name} value={name} />
                ))}
              </datalist>
            </>
          )}
        </Field>
        <Field name="environment" label="Variables" hint="Lines of NAME=value; shown to nobody afterwards.">
          {(input) => (
            <textarea {...input} rows={3} class="mono" spellcheck={false} autocomplete="off" value={environment} onInput={(event) => edit({ environment: event.currentTarget.value })} />
          )}
        </Field>
        <label class="tick">
          <input type="checkbox" checked={desktop} onChange={(event) => edit({ desktop: event.currentTarget.checked })} />
          Start the desktop at once
        </label>
        <label class="tick">
          <input type="checkbox" checked={caches} onChange={(event) => edit({ caches: event.currentTarget.checked })} />
          Keep dependency caches in the ZIP
        </label>
      </div>
    </details>
  );
}
