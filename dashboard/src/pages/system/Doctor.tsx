import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";

import { api, ask, type Schemas, told } from "../../api/client";
import { count, type State } from "../../core/words";
import { Button } from "../../parts/Button";
import { Failed } from "../../parts/Empty";
import { StateMark } from "../../parts/StateMark";
import { Part } from "./SystemPage";

const STATES: Record<Schemas["FindingLevel"], State> = {
  ok: { shape: "ok", word: "Fine" },
  degraded: { shape: "waiting", word: "Limited" },
  missing: { shape: "bad", word: "Missing" },
};

/** What `cagent doctor` finds; it takes seconds. */
export function Doctor() {
  const found = useSignal<Schemas["Doctor"] | null>(null);
  const error = useSignal("");
  const busy = useSignal(false);
  const look = async () => {
    busy.value = true;
    error.value = "";
    try {
      found.value = await ask(api.GET("/v1/doctor"));
    } catch (why) {
      error.value = told(why);
    }
    busy.value = false;
  };
  useEffect(() => void look(), []);
  const findings = found.value?.findings ?? [];
  const troubles = findings.filter(({ level }) => level !== "ok");
  const fine = findings.filter(({ level }) => level === "ok");
  return (
    <Part
      title="Checks of the machine"
      beside={
        <Button busy={busy.value} onClick={() => void look()}>
          {busy.value ? "Looking…" : "Look again"}
        </Button>
      }
    >
      {error.value && <Failed what="The machine cannot be looked at" why={error.value} />}
      {busy.value && !found.value && <p class="dim">A sandbox is made to see what works here; that takes a few seconds.</p>}
      {found.value && troubles.length === 0 && <p>Everything is as it should be.</p>}
      {troubles.length > 0 && (
        <ul class="lines" aria-busy={busy.value}>
          {troubles.map((finding) => (
            <Line key={finding.what} finding={finding} />
          ))}
        </ul>
      )}
      {fine.length > 0 && (
        <details>
          <summary>{count(fine.length, "check is", "checks are")} fine</summary>
          <ul class="lines">
            {fine.map((finding) => (
              <Line key={finding.what} finding={finding} />
            ))}
          </ul>
        </details>
      )}
    </Part>
  );
}

function Line({ finding: { what, level, found, lost, cure } }: { finding: Schemas["Finding"] }) {
  return (
    <li>
      <StateMark {...STATES[level]} />
      <div>
        <p>
          <strong>{what}</strong> <span class="dim">{found}</span>
        </p>
        {lost && <p>{lost}</p>}
        {cure && <p class="dim cure">{cure}</p>}
      </div>
    </li>
  );
}
